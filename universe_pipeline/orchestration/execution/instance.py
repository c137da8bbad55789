"""The Dagster instance that the command line, `universe up` and plain `dagster dev` share."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.whole_file import replacing
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.orchestration import storage
from universe_pipeline.orchestration.internals.names import CheckError
from universe_pipeline.orchestration.internals.odd_folders import take_names_literally
from universe_pipeline.settings import Settings

DAGSTER_HEAD = "29b539ebc72a"  # pragma: allowlist secret
"""The newest step of the locked Dagster's own migrations; a test holds the two together.

Dagster would read its own files to know it, which every command would have to wait for.
"""

_LONGEST = 300
"""Characters of what Dagster says of its file, which may be its whole list of settings."""

INSTANCE_FILE = """\
# Written by universe_pipeline; edit freely, it is not written again.
storage:
  custom:
    module: universe_pipeline.orchestration.storage
    class: UniverseStorage
    config: {}

telemetry:
  enabled: false

# No dialog of Dagster's over the first page.
nux:
  enabled: false

# A backfill's run starts a moment after it was asked for.
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1

# Each run is a process of its own; more than so many wait in the queue.
concurrency:
  runs:
    max_concurrent_runs: 10

# Killed runs would hold their place in a pool for ever otherwise. A launched run takes seconds to
# start: one that does not within a minute is reported as failed.
run_monitoring:
  enabled: true
  start_timeout_seconds: 60
  poll_interval_seconds: 15
  free_slots_after_run_end_seconds: 300

# A run whose process died is run again; one that failed is not: see error_retry_sensor.
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
"""


_STORAGES = ("storage", "run_storage", "event_log_storage", "schedule_storage")
_OURS = ("universe_pipeline", "search_path=dagster")
"""Names in a storage that is in our database: `UniverseStorage`, or Dagster's own in our schema."""


def prepare_home(settings: Settings) -> Path:
    """Make Dagster's folder and its instance file, and name the folder to Dagster.

    Raises:
        UsageError: the folder cannot be used, or the instance file is broken or of another project.
    """
    home = settings.effective_dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise UsageError(
            f"Dagster's folder {home} cannot be used: {error.filename}: {error.strerror}. "
            "Let DAGSTER_HOME or UNIVERSE_HOME name another"
        ) from None
    file = home / "dagster.yaml"
    if not os.path.lexists(file):
        # It names code that Dagster runs: only its owner may change it, under any umask.
        with replacing(file, 0o644) as written:
            written.write(INSTANCE_FILE.encode())
    _require_ours(file)
    os.environ["DAGSTER_HOME"] = str(home)  # Dagster reads it from nowhere else
    return home


def _require_ours(file: Path) -> None:
    """Refuse an instance file before Dagster makes the tables of the storage that it names."""
    contents = _contents(file)
    storages = " ".join(str(contents[name]) for name in _STORAGES if name in contents)
    if not any(name in storages for name in _OURS):
        raise UsageError(
            f"{file} is of another Dagster project: its storage is not this project's. Let "
            "DAGSTER_HOME name another folder, or leave it unset"
        )


def _contents(file: Path) -> Mapping[str, object]:
    import yaml

    if file.exists() and not file.is_file():  # a FIFO would be read without end
        raise _broken(file, "is not an ordinary file")
    try:
        text = file.read_text(encoding="utf-8")
        contents: object = yaml.safe_load(text)
    except OSError as error:
        raise _broken(file, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _broken(file, "is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise _broken(file, f"is not YAML ({' '.join(str(error).split())})") from None
    if not text.strip():
        raise _broken(file, "is empty")
    if not isinstance(contents, dict):
        raise _broken(file, "holds no settings of Dagster")
    return cast("dict[str, object]", contents)


def _broken(file: Path, what: str) -> UsageError:
    return UsageError(f"{file} {what}: correct it, or remove it and it is written again")


@contextmanager
def _errors_of(file: Path) -> Generator[None]:
    """Let what Dagster says of its instance file be one line with the file's name."""
    try:
        yield
    except (dg.DagsterError, CheckError, ImportError) as wrong:
        lines = [line.strip() for line in str(wrong).splitlines()]
        said = next((line for line in lines if line.startswith("Error 1: ")), lines[0])
        raise _broken(file, f"is refused by Dagster: {said[:_LONGEST]}") from None


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance; its storage starts or joins the database, and is as this Dagster wants it.

    Raises:
        UsageError: as `prepare_home`, or Dagster refuses what the instance file says.
        DatabaseError: as `wiring.open_database`, or a newer Dagster has migrated its tables.
    """
    home = prepare_home(settings)
    take_names_literally()
    with _errors_of(home / "dagster.yaml"), storage.made_with(settings):
        instance = dg.DagsterInstance.get()
    database = wiring.database_as_it_is(settings)
    with schema.dagsters_migration(database, DAGSTER_HEAD) as outdated:
        if outdated:
            instance.upgrade()
    return instance
