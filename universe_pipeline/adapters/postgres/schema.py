"""Bringing a database to this release's schema: migrations in order, under a lock."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.connecting.obstacles import first_line, refusal
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.locks import MIGRATION_LOCK, exclusive
from universe_pipeline.domain.errors import (
    DatabaseError,
    SchemaTooNewError,
    SchemaTooOldError,
)

HEAD = "0016"
"""The newest step of migrations/versions; a test holds the two together."""

RELATIONS = [
    "action_override_revisions",
    "action_overrides",
    "action_verdict_revisions",
    "action_verdicts",
    "adjusted_bars",
    "adjustment_steps",
    "alert_deliveries",
    "alerts",
    "bar_additions",
    "bar_revisions",
    "broken_rules",
    "chosen_types",
    "daily_bars",
    "daily_counters",
    "data_coverage",
    "data_fetch_errors",
    "dated_lists",
    "dividend_revisions",
    "dividend_snapshots",
    "dividends",
    "hosts",
    "heartbeats",
    "listing_evidence",
    "listing_overrides",
    "listing_revisions",
    "listing_states",
    "listings",
    "load_jobs",
    "nyse_sessions",
    "refused_answers",
    "rejected_bars",
    "rejected_dividends",
    "rejected_splits",
    "rejected_symbols",
    "report_page",
    "request_pause",
    "request_slots",
    "rule_results",
    "securities",
    "session_approvals",
    "session_conditions",
    "session_loads",
    "split_factors",
    "split_revisions",
    "split_snapshots",
    "splits",
    "symbol_loads",
    "symbol_requests",
    "symbol_revisions",
    "symbols",
    "universe_bars",
    "universe_snapshots",
    "universe_types",
    "vendor_of_record",
]
"""The tables and views of schema public at HEAD; a test holds the two together."""

ENCODINGS = ("UTF8", "SQL_ASCII")
"""Of databases; others have no room for all of the vendor's texts."""


def current_version(connection: psycopg.Connection) -> str | None:
    """The step that the database stands at; None before the first."""
    return _version(connection, "public.universe_schema_version")


def _version(connection: psycopg.Connection, table: str) -> str | None:
    found = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
    if found is None or found[0] is None:
        return None
    try:
        query = sql.SQL("SELECT version_num::text FROM {}").format(
            sql.Identifier(*table.split("."))
        )
        row = connection.execute(query).fetchone()
    except (psycopg.errors.UndefinedColumn, psycopg.errors.WrongObjectType):
        raise DatabaseError(f"{table} in the database {_IS_FOREIGN}") from None
    return row[0] if row else None


_IS_FOREIGN = (
    "is not of this program; nothing was changed. Let UNIVERSE_DATABASE_URL name another database"
)

_FOREIGN = """
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE (nspname = 'public' AND relname = ANY(%s)) OR (nspname = 'dagster' AND relname = 'runs')
    ORDER BY 1
    """


def _require_room(connection: psycopg.Connection) -> None:
    """Refuse a database that never was ours and has tables by our names, or another Dagster's."""
    found = [row[0] for row in connection.execute(_FOREIGN, (RELATIONS,)).fetchall()]
    if found:
        others = f" (and {len(found) - 1} more of our names)" if found[1:] else ""
        raise DatabaseError(f"{found[0]}{others} in the database {_IS_FOREIGN}")


def require_readable(connection: psycopg.Connection) -> None:
    """Return if this release can read the database as it stands.

    Raises:
        SchemaTooNewError: a newer release has migrated it.
        SchemaTooOldError: a migration is missing.
    """
    version = current_version(connection)
    if version != HEAD:
        raise _not_ours(version or "0000")


def _not_ours(version: str) -> SchemaTooNewError | SchemaTooOldError:
    return SchemaTooNewError(version) if version > HEAD else SchemaTooOldError(version, HEAD)


def bring_up_to_date(database: Database) -> None:
    """Run the migrations that are missing; any number of processes may call this at once.

    Raises:
        SchemaTooNewError: a newer release has migrated the database.
        DatabaseError: the server refuses the migration, cannot store all texts, or the database has
            tables of others by our names.
    """
    with database.connect() as connection:
        run_missing(database, connection)


def run_missing(database: Database, connection: psycopg.Connection) -> None:
    """Do as `bring_up_to_date`, on a connection to `database`."""
    _require_room_for_texts(database.address, connection)
    version = current_version(connection)
    if version == HEAD:
        return
    if version is not None and version > HEAD:
        raise SchemaTooNewError(version)
    with exclusive(connection, MIGRATION_LOCK):
        version = current_version(connection)  # another process may have been quicker
        if version is None:
            _require_room(connection)
        if version != HEAD:
            _migrate(database)


@contextmanager
def dagsters_migration(database: Database, head: str) -> Generator[bool]:
    """Whether Dagster's tables stand elsewhere than at `head`; then they are ours for the block.

    Raises:
        SchemaTooNewError: its migration, in the block, does not know the step where they stand.
    """
    with database.connect() as connection:
        if _dagsters_version(connection) == head:
            yield False
            return
        with exclusive(connection, MIGRATION_LOCK):
            version = _dagsters_version(connection)  # another process may have been quicker
            with _unknown_means_newer(version):
                yield version != head


def require_dagsters(connection: psycopg.Connection, head: str) -> None:
    """Return if Dagster's tables stand at `head`.

    Raises:
        SchemaTooNewError: they stand elsewhere, where a release with another Dagster left them.
        SchemaTooOldError: there are none.
    """
    version = _dagsters_version(connection)
    if version is None:
        raise SchemaTooOldError("nothing of Dagster", head)
    if version != head:
        raise SchemaTooNewError(f"{version} of Dagster")


def _dagsters_version(connection: psycopg.Connection) -> str | None:
    return _version(connection, "dagster.alembic_version")


@contextmanager
def _unknown_means_newer(version: str | None) -> Generator[None]:
    from alembic.util import CommandError

    try:
        yield
    except CommandError:
        raise SchemaTooNewError(f"{version} of Dagster") from None


def _require_room_for_texts(address: str, connection: psycopg.Connection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ENCODINGS:
        raise refusal(
            address,
            f"its encoding is {encoding}, which has no room for all of the vendor's texts. Make "
            "another by CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0 (`universe backup` "
            "and `universe restore` move what is stored)",
        )


def _migrate(database: Database) -> None:
    # Heavy, and needed once in a database's life: `universe status` must not pay for it.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import DBAPIError

    from universe_pipeline.adapters.postgres.connecting.engines import migration_engine

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with migration_engine(database).connect() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, HEAD)
        except DBAPIError as refused:
            reason = first_line(refused.orig or refused)
            is_taken = isinstance(refused.orig, psycopg.errors.DuplicateTable)
            raise DatabaseError(
                f"the database at {database.address} refuses the migration to {HEAD}: {reason}. "
                f"{_NAME_IS_TAKEN if is_taken else _RIGHTS}"
            ) from None


_NAME_IS_TAKEN = "Another program made it: rename it, or move it to another schema"
_RIGHTS = (
    "The user needs the right to create tables in schema public and to create schemas, on a server "
    "that takes writes"
)
