"""Dagster's daemon at moments of a test's choosing: one process, a real instance, real runs.

At a moment, the machine, Dagster and the vendor have its time, and so has the database, unless its
clock is wrong. A run is executed where the daemon launches it, before the daemon goes on.
"""

import importlib
import logging
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget

import universe_pipeline
from universe_pipeline.orchestration.execution.in_process import quieten_dagster
from universe_pipeline.orchestration.execution.instance import open_instance, prepare_home
from universe_pipeline.settings import Settings
from universe_pipeline_tests.support.movable_server import MovableServer

_scheduler: Any = importlib.import_module("dagster._scheduler.scheduler")
_sensors: Any = importlib.import_module("dagster._daemon.sensor")

DEFINITIONS = Path(universe_pipeline.__file__).parent / "definitions.py"

LAUNCHED_HERE = """
storage:
  custom:
    module: universe_pipeline.orchestration.storage
    class: UniverseStorage
    config: {}
telemetry:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: DefaultRunCoordinator
run_launcher:
  module: dagster._core.launcher.sync_in_memory_run_launcher
  class: SyncInMemoryRunLauncher
"""


class SimulatedTime:
    """The time of a test, and the daemon that looks at it."""

    def __init__(self, server: MovableServer, start: datetime) -> None:
        self._server = server
        self._iterations: dict[str, Any] = {}
        self._context: Any = None
        self.set(start)

    def set(self, moment: datetime, *, database_ahead: timedelta = timedelta()) -> None:
        """Let it be `moment`."""
        self.moment = moment
        self._server.set_ahead(moment + database_ahead - datetime.now(UTC))

    @property
    def url(self) -> str:
        """Of the database."""
        return self._server.server.url

    def now(self) -> datetime:
        """The machine's time, and the vendor's."""
        return self.moment

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the product have this time for the machine's."""
        time = self

        class Machine(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:
                return time.moment.astimezone(tz)

        monkeypatch.setattr("universe_pipeline.adapters.postgres.clock.datetime", Machine)

    @contextmanager
    def daemon(self, settings: Settings) -> Generator[dg.DagsterInstance]:
        """The instance, whose daemon is there for the block."""
        settings.effective_dagster_home.mkdir(parents=True, exist_ok=True)
        (settings.effective_dagster_home / "dagster.yaml").write_text(LAUNCHED_HERE)
        prepare_home(settings)
        quieten_dagster()
        target = InProcessWorkspaceLoadTarget(
            InProcessCodeLocationOrigin(
                LoadableTargetOrigin(executable_path=sys.executable, python_file=str(DEFINITIONS)),
                location_name="universe_pipeline",
            )
        )
        with (
            open_instance(settings) as instance,
            create_test_daemon_workspace_context(target, instance) as self._context,
        ):
            yield instance

    def look(self, moment: datetime, *, database_ahead: timedelta = timedelta()) -> None:
        """Let the daemon look at its schedules and sensors at `moment`, and do what is due."""
        self.set(moment, database_ahead=database_ahead)
        with freeze_time(moment):
            _go_through(
                _scheduler.launch_scheduled_runs(self._context, _LOG, moment, self._iterations)
            )
            _go_through(_sensors.execute_sensor_iteration(self._context, _LOG, None, None))


_LOG = logging.getLogger("dagster.daemon")


def _go_through(iteration: Iterator[Any]) -> None:
    """Let the daemon do its work, which reports what went wrong."""
    assert [wrong for wrong in iteration if wrong is not None] == []
