"""`dagster.yaml` as this release writes it, for one host and for many.

No file holds an address or a secret: storage and launcher find both through the settings.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, cast

_STORAGE = """\
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
"""

_RETRIES = """
# A run whose process died is run again; one that failed is not: see error_retry_sensor.
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
"""

INSTANCE_FILE = f"""\
{_STORAGE}
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
{_RETRIES}"""

_MANY_HOSTS = """\
{storage}
# As many as all workers together work on. One more would wait in the broker or for a pod.
concurrency:
  runs:
    max_concurrent_runs: {runs}

# A run may wait ten minutes in the broker or for its pod; then it is reported as failed. The broker
# may deliver a run twice: while monitoring is enabled, Dagster ignores the second delivery.
run_monitoring:
  enabled: true
  start_timeout_seconds: 600
  poll_interval_seconds: 15
  free_slots_after_run_end_seconds: 300
{retries}
# A page cannot show the files of another host.
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""

_CELERY = """
# UNIVERSE_BROKER_URL names the broker.
run_launcher:
  module: universe_pipeline.orchestration.celery_launcher
  class: UniverseCeleryLauncher
  config: {}
"""

_KUBERNETES = """
# A run's pod has the image of the code location, and the secret `universe` as its environment.
run_launcher:
  module: dagster_k8s
  class: K8sRunLauncher
  config:
    job_namespace: {env: DAGSTER_K8S_PIPELINE_RUN_NAMESPACE}
    service_account_name: {env: DAGSTER_K8S_SERVICE_ACCOUNT}
    instance_config_map: {env: DAGSTER_K8S_INSTANCE_CONFIG_MAP}
    dagster_home: {env: DAGSTER_HOME}
    env_secrets: [universe]
    run_k8s_config:
      job_spec_config: {ttl_seconds_after_finished: 86400}
"""


class Launcher(StrEnum):
    """What executes the runs of an instance."""

    ONE_HOST = "one host"
    """A process of the code location's host each."""
    CELERY = "Celery"
    """`universe worker`, on any number of hosts."""
    KUBERNETES = "Kubernetes"
    """A pod each."""


def text_of(launcher: Launcher, runs: int) -> str:
    """The instance file for a launcher, with at most `runs` runs at a time on many hosts."""
    shared = _MANY_HOSTS.format(storage=_STORAGE, retries=_RETRIES, runs=runs)
    match launcher:
        case Launcher.ONE_HOST:
            return INSTANCE_FILE
        case Launcher.CELERY:
            return shared + _CELERY
        case Launcher.KUBERNETES:
            return shared + _KUBERNETES


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """A line for each setting of which `found` has another value than `wanted`."""
    ours, theirs = dict(_leaves(wanted)), dict(_leaves(found))
    names = sorted({*ours, *theirs})
    return [
        f"{name}: {_shown(name, theirs)}, this release writes {_shown(name, ours)}"
        for name in names
        if theirs.get(name) != ours.get(name)
    ]


_SECRET = re.compile(r"://.*@|password", re.IGNORECASE)
"""In a setting that a person wrote: the broker of a launcher, or the storage's own address."""


def _shown(name: str, settings: Mapping[str, object]) -> str:
    if name not in settings:
        return "nothing"
    value = str(settings[name])
    return "(hidden)" if _SECRET.search(value) or name.endswith("password") else value


def _leaves(settings: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        at = f"{path}{name}"
        if isinstance(value, dict) and value:
            yield from _leaves(cast("dict[str, Any]", value), f"{at}.")
        else:
            yield at, value
