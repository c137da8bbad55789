"""The Dagster instance that the command line, `universe up` and plain `dagster dev` share."""

import os
from pathlib import Path
from uuid import uuid4

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.settings import Settings

DAGSTER_HEAD = "29b539ebc72a"  # pragma: allowlist secret
"""The newest step of the locked Dagster's own migrations; a test holds the two together.

Dagster would read its own files to know it, which every command would have to wait for.
"""

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

# Killed runs would hold their place in a pool for ever otherwise.
run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 300
"""


def prepare_home(settings: Settings) -> Path:
    """Make Dagster's folder and its instance file, and name the folder to Dagster.

    Raises:
        UsageError: the instance file is empty.
    """
    home = settings.effective_dagster_home
    home.mkdir(parents=True, exist_ok=True)
    file = home / "dagster.yaml"
    if not file.exists():
        _write(file)
    _require_contents(file)
    os.environ["DAGSTER_HOME"] = str(home)  # Dagster knows no other way to be told
    return home


def _write(file: Path) -> None:
    """Write the instance file whole or not at all: a full disk must not leave an empty one."""
    partial = file.with_name(f".{file.name}.{uuid4().hex}.partial")
    try:
        partial.touch(mode=0o644)  # it names code that Dagster runs: only its owner may change it
        partial.write_text(INSTANCE_FILE)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _require_contents(file: Path) -> None:
    if not file.read_text().strip():
        raise UsageError(f"{file} is empty: remove it, and the next command writes it again")


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance; its storage starts or joins the database, and is as this Dagster wants it.

    Raises:
        DatabaseError: as `wiring.open_database`, or a newer Dagster has migrated its tables.
    """
    prepare_home(settings)
    instance = dg.DagsterInstance.get()
    database = wiring.database_as_it_is(settings)
    with schema.dagsters_migration(database, DAGSTER_HEAD) as outdated:
        if outdated:
            instance.upgrade()
    return instance
