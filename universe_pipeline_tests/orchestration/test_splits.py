"""`splits`: requested once a day, by the first run; bars never need them."""

from typing import Any

import dagster as dg
import psycopg
import pytest

from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.orchestration.checks.test_specs import evaluations, offenders
from universe_pipeline_tests.support.dagster_records import materialized, sessions

TWO_DAYS = sessions("2024-06-24", "2024-06-25")


def newest(instance: dg.DagsterInstance) -> dict[str, Any]:
    record = instance.fetch_materializations(dg.AssetKey("splits"), limit=1).records[0]
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_a_load_over_partitions_asks_once_and_marks_the_asset_without_one(
    runs: Runs,
    instance: dg.DagsterInstance,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
) -> None:
    runs.run("historical_load", TWO_DAYS, name="by hand")
    first = newest(instance)

    ended = runs.run("daily_update", TWO_DAYS[:1], name="by hand")

    assert ended.success
    assert materialized(instance, "splits") == [None, None]
    assert vendor.count("splits") == 1
    rows: Any = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE adjustment_type = 'reverse_split'),"
        " count(*) FILTER (WHERE execution_date > today), max(execution_date)"
        " FILTER (WHERE execution_date <= today)::text"
        " FROM splits, LATERAL (SELECT (now() AT TIME ZONE 'America/New_York')::date) AS d (today)"
    ).fetchone()
    shown = (first["dagster/row_count"], first["by_type"]["reverse_split"])
    assert (*shown, first["announced"], first["newest"]) == rows
    assert (first["reused"], newest(instance)["reused"]) == (False, True)
    assert newest(instance)["fetched_at"] == first["fetched_at"]
    assert sum(newest(instance)["verdicts"].values()) == first["dagster/row_count"]


def test_it_can_be_asked_for_alone_and_anew(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    force = {"splits": {"force_refresh": True}}

    for _ in range(2):
        assert runs.run("universe_discovery", TWO_DAYS, name="by hand", config=force).success

    assert (vendor.count("splits"), vendor.count("tickers")) == (2, 2)


@pytest.mark.parametrize("fault", ["404", "403_not_entitled"])
def test_splits_that_cannot_be_had_fail_alone_and_the_bars_load(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor, fault: Any
) -> None:
    vendor.faults.add(fault, endpoint="splits")
    vendor.faults.add(fault, endpoint="older_splits")

    ended = runs.run("historical_load", TWO_DAYS, name="by hand")

    assert not ended.success
    assert [said.split(":")[0] for said in ended.messages] == ["the splits could not be had"]
    assert materialized(instance, "splits") == []
    for asset in ("symbols", "daily_bars", "data_coverage"):
        assert materialized(instance, asset) == ["2024-06-24", "2024-06-25"]


def test_rows_that_are_not_stored_are_warned_of_by_name(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("repeated_split", tickers=["TRUE"], days=0)
    bad = {"ticker": "MSFT", "execution_date": "2023-05-15", "split_from": 0, "split_to": 1}
    vendor.faults.add("bad_rows", endpoint="splits", rows=[bad])

    run_id = runs.run("universe_discovery", TWO_DAYS, name="by hand").run_id

    found = evaluations(instance, run_id)
    assert offenders(found["splits_are_unique"]) == (1, "- 2012-08-06 TRUE: duplicate")
    assert offenders(found["splits_have_usable_ratios"]) == (
        1,
        r"- 2023-05-15 MSFT: sides\_positive",  # as Markdown shows it letter by letter
    )
    assert {
        found[name].severity for name in ("splits_are_unique", "splits_have_usable_ratios")
    } == {dg.AssetCheckSeverity.WARN}
    assert not found["splits_are_unique"].passed
