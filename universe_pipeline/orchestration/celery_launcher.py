"""Runs as Celery tasks: the launcher that `dagster.yaml` names, and the app of its workers.

`CeleryRunLauncher` of Dagster 1.13 asks Celery whether a run lives. Celery says "unknown" of one
whose result has expired, and "alive" of one whose worker was killed. Here a run lives as long as
its process holds its lock (`reconciliation.py`).
"""

from collections.abc import Mapping
from typing import Any, Self

from celery import Celery
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.make_app import make_app  # pyright: ignore[reportUnknownVariableType]
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from universe_pipeline.domain.errors import SettingsError
from universe_pipeline.orchestration.internals.names import ConfigurableClassData
from universe_pipeline.settings import process_settings

QUEUE = "dagster"

DELIVERED_AGAIN = 120
"""Seconds after which Redis gives a task that no worker has confirmed to another worker.

Short, as a vanished host would keep a task for an hour by default. A run that is delivered twice is
executed once: Dagster, whose run monitoring is enabled, ignores the second delivery.
"""

SETTINGS: Mapping[str, Any] = {
    # A worker confirms a task at its end, and so holds none that another worker could begin.
    "task_acks_late": True,
    "worker_prefetch_multiplier": 1,
    "worker_concurrency": 1,
    # Each run has a process of its own, and so its memory and the code as it is installed then.
    "worker_max_tasks_per_child": 1,
    # A line of the log is printed as it is.
    "worker_redirect_stdouts": False,
    "result_expires": 7 * 24 * 3600,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {
        "visibility_timeout": DELIVERED_AGAIN,
        "socket_keepalive": True,
        "health_check_interval": 15,
    },
}


def required_broker() -> str:
    """The broker's URL.

    Raises:
        SettingsError: none is set.
    """
    url = process_settings().broker_url
    if url is None:
        raise SettingsError([NO_BROKER])
    return url


NO_BROKER = (
    "UNIVERSE_BROKER_URL is not set: give the Redis of the workers, like redis://host:6379/0"
)


def app_of(broker: str) -> Celery:
    """The app of the workers of a broker."""
    return make_app(
        {
            "broker": broker,
            "backend": broker,
            "include": [],
            "config_source": dict(SETTINGS),
            "task_default_queue": QUEUE,
        }
    )


class UniverseCeleryLauncher(CeleryRunLauncher):
    """`CeleryRunLauncher` at the broker of the settings; a run that is stopped ends as canceled."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Make it with the broker that the configuration names, or that of the settings."""
        broker = config_value.get("broker") or required_broker()
        given: dict[str, Any] = {
            **config_value,
            "broker": broker,
            "backend": broker,
            "config_source": {**SETTINGS, **(config_value.get("config_source") or {})},
        }
        return cls(inst_data=inst_data, **given)

    def terminate(self, run_id: str) -> bool:
        """Stop a run that was launched here and goes on; a command's run is not ours to stop."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster does not ask Celery: see above."""
        return False

    @property
    def supports_resume_run(self) -> bool:
        """A run that died is run again, by `run_retries`."""
        return False
