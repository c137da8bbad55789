"""The metrics: their names and numbers, as Prometheus' own parser reads them."""

import json
import re
from collections.abc import Generator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger import daily_counters
from universe_pipeline.adapters.postgres.schema import HEAD
from universe_pipeline.adapters.postgres.summaries.metrics import Scope
from universe_pipeline.adapters.tally import Count, Counter, Stage, Tally
from universe_pipeline.domain.sessions import close_of
from universe_pipeline.monitoring.metrics import METRICS, Kind, render
from universe_pipeline_tests.support.metric_samples import Samples, parsed
from universe_pipeline_tests.write_metrics import DOCS, written

NOW = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)
SCOPE = Scope(now=NOW, first_session=date(2024, 6, 28), per_minute=30, release="9.9")
"""Sessions from 28 June to 9 July are closed: seven."""

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "universe.json"


def read(connection: Connection) -> Samples:
    return parsed(render(connection, SCOPE))


@pytest.fixture(scope="module", name="database")
def filled(server_url: str, template: str) -> Generator[Database]:
    """Four sessions of which one is degraded and one quarantined, errors, runs and counts."""
    from universe_pipeline_tests.conftest import database_from

    with database_from(server_url, template) as database:
        with database.connect() as connection:
            for statement in FILLED:
                connection.execute(statement)
            for _ in range(2):
                daily_counters.store(connection, tally(), NOW, at_once=True)
        yield database


@pytest.fixture(name="connection")
def its_connection(database: Database) -> Generator[Connection]:
    with database.connect() as connection:
        yield connection


FILLED = (
    """
    INSERT INTO session_loads (date, status, received, stored, rejected, fetched_at) VALUES
        ('2024-07-01', 'loaded', 101, 100, 1, '2024-07-02'),
        ('2024-07-02', 'loaded', 100, 100, 0, '2024-07-03'),
        ('2024-07-03', 'loaded', 90, 90, 0, '2024-07-04'),
        ('2024-07-05', 'quarantined', 10, 10, 0, '2024-07-06'),
        ('2024-07-08', 'pending', 0, 0, 0, '2024-07-09')
    """,
    """
    INSERT INTO broken_rules (date, rule, severity, judged_at, detail)
    VALUES ('2024-07-02', 'rows', 'WARN', '2024-07-03', '')
    """,
    """
    INSERT INTO data_fetch_errors
        (occurred_at, dataset, endpoint, date, kind, message, attempts, retryable, resolved_at)
    VALUES ('2024-07-09', 'daily_bars', '/v2', '2024-07-08', 'timeout', '', 6, true, NULL),
           ('2024-07-09', 'daily_bars', '/v2', '2024-07-09', 'timeout', '', 6, true, NULL),
           ('2024-07-09', 'daily_bars', '/v2', '2024-07-05', 'not_found', '', 1, false, NULL),
           ('2024-07-09', 'daily_bars', '/v2', '2024-07-03', 'timeout', '', 6, true, '2024-07-10')
    """,
    """
    INSERT INTO alerts (key, kind, severity, level, opened_at, last_seen_at, text, repair, page,
                        closed_at)
    VALUES ('session_late', 'session_late', 'ERROR', 1, '2024-07-09', '2024-07-09', '', '', '/',
            NULL),
           ('disk_low', 'disk_low', 'WARN', 1, '2024-07-08', '2024-07-08', '', '', '/',
            '2024-07-09')
    """,
    """
    INSERT INTO dagster.runs
        (run_id, snapshot_id, pipeline_name, status, run_body, create_timestamp, end_time)
    VALUES ('1', NULL, 'daily_update', 'SUCCESS', '', '2024-07-09', 1720560000),
           ('2', NULL, 'daily_update', 'SUCCESS', '', '2024-07-08', 1720470000),
           ('3', NULL, 'daily_update', 'FAILURE', '', '2024-07-10', 1720600000),
           ('4', NULL, '__ASSET_JOB', 'SUCCESS', '', '2024-07-09', 1720560001),
           ('5', NULL, 'verification', 'STARTED', '', '2024-07-10', NULL),
           ('6', NULL, 'verification', 'QUEUED', '', '2024-07-10 15:58:00', NULL),
           ('7', NULL, 'verification', 'QUEUED', '', '2024-07-10 15:59:00', NULL)
    """,
)


def tally() -> Tally:
    counted = Tally()
    for outcome, sent in (("ok", 5), ("rate_limited", 2)):
        counted.add(Count(Counter.REQUESTS, "grouped", outcome), sent)
    counted.add(Count(Counter.REQUESTS, "tickers", "rate_limited"), 1)
    counted.add(Count(Counter.STAGE_SECONDS, Stage.FETCH), 1.5)
    return counted


def test_the_numbers_are_those_of_the_tables(connection: Connection) -> None:
    samples = read(connection)

    bytes_on_disk = samples.pop(("universe_database_bytes", ()))
    assert bytes_on_disk > 1e6
    assert samples == {
        ("universe_sessions", ("available",)): 2,
        ("universe_sessions", ("degraded",)): 2,
        ("universe_sessions", ("pending",)): 1,
        ("universe_sessions", ("missing",)): 1,
        ("universe_sessions_behind", ()): 3,
        (
            "universe_last_available_session_timestamp",
            (),
        ): close_of(date(2024, 7, 3)).timestamp(),
        ("universe_last_success_timestamp", ("daily_update",)): 1720560000,
        ("universe_last_success_timestamp", ("asset_job",)): 1720560001,
        ("universe_requests_total", ("grouped", "ok")): 10,
        ("universe_requests_total", ("grouped", "rate_limited")): 4,
        ("universe_requests_total", ("tickers", "rate_limited")): 2,
        ("universe_429_total", ()): 6,
        ("universe_rows_total", ("received",)): 301,
        ("universe_rows_total", ("stored",)): 300,
        ("universe_rows_total", ("rejected",)): 1,
        ("universe_rows_total", ("revised",)): 0,
        ("universe_stage_seconds_total", ("fetch",)): 3,
        ("universe_open_errors", ("timeout", "true")): 2,
        ("universe_open_errors", ("not_found", "false")): 1,
        ("universe_open_alerts", ("ERROR",)): 1,
        ("universe_open_alerts", ("WARN",)): 0,
        ("universe_runs_in_progress", ()): 1,
        ("universe_oldest_queued_run_seconds", ()): 120,
        ("universe_pace_per_minute", ()): 30,
        ("universe_build_info", ("9.9", HEAD)): 1,
    }


def test_an_empty_database_is_wholly_behind(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("TRUNCATE session_loads, daily_counters, dagster.runs CASCADE")
        behind = read_inside(connection)

    assert behind["universe_sessions_behind", ()] == 7
    assert ("universe_last_available_session_timestamp", ()) not in behind
    assert behind["universe_429_total", ()] == 0
    assert behind["universe_oldest_queued_run_seconds", ()] == 0


def read_inside(connection: Connection) -> Samples:
    """What each metric reads within the transaction that is open."""
    return {
        (one.name, labels): value
        for one in METRICS
        for labels, value in one.read(connection, SCOPE)
    }


def test_a_role_that_may_not_read_dagsters_tables_gets_the_rest(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(
            "CREATE ROLE watcher_of_tests; GRANT pg_read_all_data TO watcher_of_tests"
        )
        connection.execute("SET LOCAL ROLE watcher_of_tests")
        whole = read_inside(connection)
        connection.execute("RESET ROLE; REVOKE pg_read_all_data FROM watcher_of_tests")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO watcher_of_tests")
        connection.execute("SET LOCAL ROLE watcher_of_tests")
        rest = read_inside(connection)

    about_runs = {name for name, _ in whole} - {name for name, _ in rest}
    assert about_runs == {
        "universe_last_success_timestamp",
        "universe_runs_in_progress",
        "universe_oldest_queued_run_seconds",
    }


def test_every_metric_has_the_name_type_and_help_that_are_described(connection: Connection) -> None:
    families = list(text_string_to_metric_families(render(connection, SCOPE).decode()))

    found = [(each.name, each.type, each.documentation) for each in families]
    described = [(one.name, one.kind, one.meaning) for one in METRICS]
    assert [(name.removesuffix("_total"), *rest) for name, *rest in described] == found
    assert all(one.name.endswith("_total") == (one.kind is Kind.COUNTER) for one in METRICS)


def test_the_names_are_those_that_dashboards_rely_on() -> None:
    assert {one.name: one.labels for one in METRICS} == {
        "universe_sessions": ("condition",),
        "universe_sessions_behind": (),
        "universe_last_available_session_timestamp": (),
        "universe_last_success_timestamp": ("job",),
        "universe_requests_total": ("endpoint", "outcome"),
        "universe_429_total": (),
        "universe_rows_total": ("kind",),
        "universe_stage_seconds_total": ("stage",),
        "universe_open_errors": ("kind", "retryable"),
        "universe_open_alerts": ("severity",),
        "universe_runs_in_progress": (),
        "universe_oldest_queued_run_seconds": (),
        "universe_pace_per_minute": (),
        "universe_database_bytes": (),
        "universe_build_info": ("release", "schema"),
    }


def test_the_docs_have_every_metric_as_it_is_described() -> None:
    docs = DOCS.read_text()

    assert written(docs) == docs, "run `make tables`"


def expressions(part: Any) -> list[str]:
    """Every query of the dashboard."""
    if isinstance(part, list):
        return [each for one in part for each in expressions(one)]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(part, dict):
        return []
    inside = [each for one in part.values() for each in expressions(one)]  # pyright: ignore[reportUnknownVariableType]
    return [part["expr"], *inside] if "expr" in part else inside


QUERIES = [
    *expressions(json.loads(DASHBOARD.read_text())),
    *re.findall(r"^ +expr: (.+)$", DOCS.read_text(), re.MULTILINE),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_dashboard_and_the_docs_asks_for_what_there_is(query: str) -> None:
    labels = {one.name: set(one.labels) for one in METRICS}
    asked = re.findall(r"universe_\w+", query)
    used = re.findall(r"[{,]\s*(\w+)\s*=", query)
    grouped = [name for by in re.findall(r"by \(([^)]*)\)", query) for name in by.split(", ")]

    assert asked
    assert set(asked) <= set(labels)
    assert {*used, *grouped} <= set().union(*(labels[name] for name in asked))


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for query in QUERIES for name in re.findall(r"universe_\w+", query)}

    assert shown == {one.name for one in METRICS}


def test_the_dashboards_legends_name_labels_of_their_queries() -> None:
    labels = {one.name: set(one.labels) for one in METRICS}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            asked = re.findall(r"universe_\w+", target["expr"])
            assert named <= set().union(*(labels[name] for name in asked)), target
