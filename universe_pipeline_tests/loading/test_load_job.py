"""The life of a load job: how it is named and how it shows that it gets on."""

from datetime import date, datetime, timedelta

import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.loading import load_job
from universe_pipeline.loading.load_job import Heartbeat, LoadJob
from universe_pipeline_tests.support.clocks import machine

WEEK = [date(2024, 7, day) for day in (1, 2, 3, 5, 8)]


def last_updated(connection: Connection) -> dict[str, datetime]:
    return {job.name: job.last_updated for job in load_jobs.jobs(connection, machine())}


def test_only_a_job_that_leaves_out_sessions_names_them() -> None:
    assert LoadJob("historical", "x", WEEK).chosen is None
    assert LoadJob("historical", "x", WEEK[1:4:2]).chosen == WEEK[1:4:2]
    assert LoadJob("daily", "x", WEEK[:1]).chosen == WEEK[:1]


def test_the_name_of_an_update_says_its_session() -> None:
    assert load_job.session_of_update(load_job.update_name(WEEK[0])) == WEEK[0]


def test_symbols_in_any_order_are_one_job() -> None:
    one = load_job.symbols_name(["SPY", "AAPL"], WEEK[0], WEEK[-1])

    assert one == load_job.symbols_name(["AAPL", "SPY"], WEEK[0], WEEK[-1])
    assert one.startswith("historical_load_2024-07-01_2024-07-08_symbols_")
    assert load_job.is_repair(load_job.repair_name(["SPY"], WEEK[0], WEEK[-1]))
    assert not load_job.is_repair(one)


def test_a_heartbeat_is_of_the_job_of_its_run(
    store: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_hour_ago = machine() - timedelta(hours=1)
    for name in ("one", "other"):
        load_job.begin(store, LoadJob("historical", name, WEEK), an_hour_ago, run_id=f"run {name}")

    Heartbeat(store, "run one", machine).beat()  # not yet: it has just begun
    too_soon = last_updated(store)
    monkeypatch.setattr(load_job, "BEAT_SECONDS", 0)
    Heartbeat(store, "run one", machine).beat()

    assert too_soon == {"one": an_hour_ago, "other": an_hour_ago}
    assert last_updated(store)["other"] == an_hour_ago
    assert last_updated(store)["one"] > an_hour_ago
