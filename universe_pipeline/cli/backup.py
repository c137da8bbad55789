"""`backup` and `restore`: the whole database, Dagster's tables included, in one file and back."""

import shutil
from pathlib import Path

from universe_pipeline import wiring
from universe_pipeline.adapters.embedded_postgres import attachment
from universe_pipeline.adapters.postgres.backups import backup_file
from universe_pipeline.adapters.postgres.backups.statement import Statement
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.summaries.figures import figures
from universe_pipeline.adapters.whole_file import require_ordinary
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import progress_bars, result
from universe_pipeline.domain.errors import DatabaseError
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.session_state import COMMITTED
from universe_pipeline.loading.progress import Step, report
from universe_pipeline.settings import Settings


def back_up(settings: Settings, file: Path) -> int:
    """Write the database as it is, at any schema, into `file`."""
    require_ordinary(file)
    database = wiring.database_as_it_is(settings)
    with progress_bars():
        backup_file.back_up(database, file, _show)
    result(f"{visible(file)}: {file.stat().st_size / 1e6:,.0f} MB")
    return DONE


def verify_backup(settings: Settings, file: Path) -> int:
    """Read every byte of `file`, restore it into a scratch server, and compare every table.

    The database of the settings is not asked.
    """
    home = settings.universe_home / "verify"
    with progress_bars():
        stated = backup_file.checked_statement(file, _show)
        settings.universe_home.mkdir(parents=True, exist_ok=True)
        _require_disk(settings.universe_home, stated)
        with attachment.scratch(home) as url:
            backup_file.verify(Database(url), file, stated, _show)
    tables, rows = len(stated.tables), stated.rows
    result(f"{visible(file)}: {tables:,} tables with {rows:,} rows, restored and as stated")
    return DONE


def _require_disk(folder: Path, stated: Statement) -> None:
    free = shutil.disk_usage(folder).free
    if free < stated.bytes:
        raise DatabaseError(
            f"a backup of {stated.bytes / 1e9:,.1f} GB is restored below {folder} to verify it, "
            f"where {free / 1e9:,.1f} GB are free: let UNIVERSE_HOME name a folder with more"
        )


def restore(settings: Settings, file: Path) -> int:
    """Fill a database without tables from `file`, and say what is in it."""
    database = wiring.database_as_it_is(settings)
    with progress_bars():
        backup_file.restore(database, file, _show)
    with database.connect() as connection:
        found = figures(connection)
    sessions = sum(found.sessions.get(status, 0) for status in COMMITTED)
    result(f"{database.address}: {sessions:,} sessions, {found.bars:,} bars")
    return DONE


def _show(what: str, done: int, total: int | None, about: str) -> None:
    report(Step(what, done, total, about))
