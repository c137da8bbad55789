"""`symbols`: discovered once by whatever runs first, and noted on every partition."""

import dagster as dg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.orchestration.runs import Runs
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.orchestration.records import materialized, metadata, sessions

TWO_DAYS = sessions("2022-10-27", "2022-10-28")


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


def test_a_partition_tells_how_many_securities_were_listed_that_session(
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
