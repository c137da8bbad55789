"""The metrics of `universe metrics`: names, labels and meanings, in Prometheus' text format.

They are read from the database, which all hosts share: a process of its own would know of its own
work only, and of none once it has ended. prometheus-client does nothing but render them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.summaries import metrics as figures
from universe_pipeline.adapters.postgres.summaries.metrics import Figure, Scope
from universe_pipeline.adapters.postgres.summaries.overview import one_moment

Read: TypeAlias = Callable[[Connection, Scope], Figure]


class Kind(StrEnum):
    """How a metric moves."""

    GAUGE = "gauge"
    """Up and down."""
    COUNTER = "counter"
    """Up only, but for a reload, a restore or a repair that makes rows fewer."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, and how it is read."""

    name: str
    kind: Kind
    meaning: str
    """The HELP text."""
    read: Read
    labels: tuple[str, ...] = ()


METRICS = (
    Metric(
        "universe_sessions",
        Kind.GAUGE,
        "Closed sessions since the first one asked for, by condition.",
        figures.sessions,
        ("condition",),
    ),
    Metric(
        "universe_sessions_behind",
        Kind.GAUGE,
        "Closed sessions after the newest one that readers have.",
        figures.sessions_behind,
    ),
    Metric(
        "universe_last_available_session_timestamp",
        Kind.GAUGE,
        "When the newest session that readers have closed, in Unix seconds.",
        figures.last_available,
    ),
    Metric(
        "universe_last_success_timestamp",
        Kind.GAUGE,
        "When a run of the Dagster job last succeeded, in Unix seconds.",
        figures.last_success,
        ("job",),
    ),
    Metric(
        "universe_requests_total",
        Kind.COUNTER,
        "Requests sent to the vendor, by endpoint and outcome.",
        figures.requests,
        ("endpoint", "outcome"),
    ),
    Metric(
        "universe_429_total",
        Kind.COUNTER,
        "Requests that the vendor answered with HTTP 429.",
        figures.rate_limited,
    ),
    Metric(
        "universe_rows_total",
        Kind.COUNTER,
        "Rows of the stored answers of sessions, and bars that later answers revised.",
        figures.rows,
        ("kind",),
    ),
    Metric(
        "universe_stage_seconds_total",
        Kind.COUNTER,
        "Seconds that loads spent, by stage; those of parallel threads add up.",
        figures.stage_seconds,
        ("stage",),
    ),
    Metric(
        "universe_open_errors",
        Kind.GAUGE,
        "Failed requests that are open, by kind.",
        figures.open_errors,
        ("kind", "retryable"),
    ),
    Metric(
        "universe_open_alerts",
        Kind.GAUGE,
        "Alerts that are open, by severity.",
        figures.open_alerts,
        ("severity",),
    ),
    Metric(
        "universe_runs_in_progress",
        Kind.GAUGE,
        "Dagster runs that are starting or at work.",
        figures.runs_in_progress,
    ),
    Metric(
        "universe_oldest_queued_run_seconds",
        Kind.GAUGE,
        "How long the oldest queued Dagster run has waited.",
        figures.oldest_queued_run,
    ),
    Metric(
        "universe_pace_per_minute",
        Kind.GAUGE,
        "Requests a minute that the settings of the exporter allow; 0 is unpaced.",
        figures.pace,
    ),
    Metric(
        "universe_database_bytes",
        Kind.GAUGE,
        "Size of the database on the disk of its server.",
        figures.database_bytes,
    ),
    Metric(
        "universe_build_info",
        Kind.GAUGE,
        "1, with the release of the exporter and the schema of the database.",
        figures.build_info,
        ("release", "schema"),
    ),
)


def render(connection: Connection, scope: Scope) -> bytes:
    """All metrics as of one moment, in Prometheus' text format."""
    registry = CollectorRegistry()
    with one_moment(connection):
        registry.register(_Read([_family(one, one.read(connection, scope)) for one in METRICS]))
    return generate_latest(registry)


def _family(metric: Metric, figure: Figure) -> Family:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in figure:
        family.add_metric(labels, value)
    return family


class _Read(Collector):
    """Families that have been read, as a registry takes them."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        return iter(self._families)
