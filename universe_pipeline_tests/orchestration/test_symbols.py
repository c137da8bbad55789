"""`symbols`: discovered once, by the first run, and noted on every partition."""

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.dagster_records import materialized, metadata, sessions

TWO_DAYS = sessions("2022-10-27", "2022-10-28")


@pytest.fixture
def start_date() -> str:
    """A year that holds the day on which TWTR was delisted."""
    return "2022-01-03"


def test_a_range_discovers_once_and_a_later_run_reuses_it(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    runs.run("universe_discovery", TWO_DAYS, name="by hand")
    asked = vendor.count("tickers")
    first = metadata(instance, "symbols", "2022-10-27")

    runs.run("universe_discovery", TWO_DAYS[:1], name="by hand")

    assert (asked, vendor.count("tickers")) == (2, 2)
    assert first["reused"] is False
    again = metadata(instance, "symbols", "2022-10-27")
    assert again["reused"] is True
    assert again["snapshot_taken_at"] == first["snapshot_taken_at"]
    assert materialized(instance, "symbols") == ["2022-10-27", "2022-10-27", "2022-10-28"]


def test_a_partition_shows_how_many_securities_were_listed_that_session(
    runs: Runs, instance: dg.DagsterInstance, connection: Connection
) -> None:
    runs.run("universe_discovery", TWO_DAYS, name="by hand")

    rows = connection.execute(
        "SELECT count(*) FILTER (WHERE active OR delisted_date > '2022-10-27'),"
        " count(*) FILTER (WHERE active OR delisted_date > '2022-10-28')"
        " FROM symbols WHERE type = 'CS'"
    ).fetchone()
    assert rows is not None
    shown = [
        metadata(instance, "symbols", day)["listed_securities"]
        for day in ("2022-10-27", "2022-10-28")
    ]
    assert shown == list(rows)
    assert shown[0] > shown[1]  # TWTR was delisted on the second day


def test_a_failed_discovery_is_a_failure_that_dagster_does_not_try_again(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="tickers", active=False)

    ended = runs.run("universe_discovery", TWO_DAYS, name="by hand")

    assert not ended.success
    assert len(ended.messages) == 1
    assert "could not be discovered" in ended.messages[0]
    assert vendor.count("tickers") == 2
    assert materialized(instance, "symbols") == []


@pytest.mark.parametrize("days", [1, 2])
def test_a_key_that_is_not_accepted_fails_with_one_message(
    runs: Runs, vendor: SimulatedVendor, days: int
) -> None:
    vendor.faults.add("401_unknown_key")

    ended = runs.run("universe_discovery", TWO_DAYS[:days], name="by hand")

    assert not ended.success
    assert vendor.count() == 1


def materialize_bars(instance: dg.DagsterInstance, day: str) -> bool:
    """As the UI does where `daily_bars` alone is selected."""
    everything = build_defs(load_settings()).resolve_implicit_global_asset_job_def()
    bars = everything.get_subset(asset_selection={dg.AssetKey("daily_bars")})
    return bars.execute_in_process(instance=instance, partition_key=day).success


def test_a_run_of_bars_alone_discovers_too_where_the_universe_is_not_fresh(
    instance: dg.DagsterInstance, connection: Connection, vendor: SimulatedVendor
) -> None:
    ended = [materialize_bars(instance, day) for day in ("2022-10-27", "2022-10-28")]

    assert ended == [True, True]
    assert vendor.count("tickers") == 2  # active and delisted, once
    read = "SELECT count(DISTINCT date) FROM universe_bars"
    assert connection.execute(read).fetchone() == (2,)


def test_bars_load_also_where_that_discovery_fails(
    instance: dg.DagsterInstance, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="tickers")

    assert materialize_bars(instance, "2022-10-27")

    assert connection.execute("SELECT status FROM session_loads").fetchall() == [("loaded",)]
    failures = connection.execute("SELECT kind, resolved_at FROM data_fetch_errors").fetchall()
    assert failures == [("not_found", None)]


def test_a_repair_discovers_too(runs: Runs, vendor: SimulatedVendor) -> None:
    chosen = {"symbols": ["AAPL"], "start": "2022-10-27", "end": "2022-10-28"}

    ended = runs.run("symbol_repair", [], name="by hand", config={"load_chosen_symbols": chosen})

    assert ended.success
    assert vendor.count("tickers") == 2
