"""`dividends`: read last in a run, once a day, and failing alone."""

from typing import Any

import dagster as dg
import psycopg
import pytest

from universe_pipeline.loading.dividends import NOT_IN_PLAN
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.orchestration.checks.test_specs import evaluations, offenders
from universe_pipeline_tests.support.dagster_records import materialized, sessions

TWO_DAYS = sessions("2024-06-24", "2024-06-25")


def newest(instance: dg.DagsterInstance) -> dict[str, Any]:
    record = instance.fetch_materializations(dg.AssetKey("dividends"), limit=1).records[0]
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_a_load_reads_them_after_the_bars_and_an_update_of_the_same_day_does_not(
    runs: Runs,
    instance: dg.DagsterInstance,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
) -> None:
    runs.run("historical_load", TWO_DAYS, name="by hand")
    first, asked = newest(instance), vendor.count("dividends")
    loaded = [log.endpoint for log in vendor.requests]

    ended = runs.run("daily_update", TWO_DAYS[:1], name="by hand")

    assert ended.success
    assert loaded[loaded.index("dividends") :] == ["dividends"] * asked
    assert materialized(instance, "dividends") == [None, None]
    assert vendor.count("dividends") == asked
    rows: Any = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE ex_date > today) FROM dividends,"
        " LATERAL (SELECT (now() AT TIME ZONE 'America/New_York')::date) AS d (today)"
    ).fetchone()
    assert (first["dagster/row_count"], first["announced"]) == rows
    assert first["since"] == "2022-01-01"
    assert (first["added"], first["windows"]) == (rows[0], asked)
    assert (first["reused"], newest(instance)["reused"]) == (False, True)
    assert newest(instance)["fetched_at"] == first["fetched_at"]


def test_they_can_be_asked_for_again(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    runs.run("universe_discovery", TWO_DAYS, name="by hand")
    asked = vendor.count("dividends")
    force = {"dividends": {"force_refresh": True}}

    assert runs.run("universe_discovery", TWO_DAYS, name="by hand", config=force).success

    assert vendor.count("dividends") == asked + 4
    assert newest(instance)["windows"] == 4


@pytest.mark.parametrize(("fault", "status"), [("404", 404), ("403_not_entitled", 403)])
def test_a_plan_without_them_fails_them_alone_and_splits_and_bars_load(
    runs: Runs,
    instance: dg.DagsterInstance,
    vendor: SimulatedVendor,
    fault: Any,
    status: int,
) -> None:
    vendor.faults.add(fault, endpoint="dividends")

    ended = runs.run("historical_load", TWO_DAYS, name="by hand")

    assert not ended.success
    assert list(ended.messages) == [NOT_IN_PLAN.format(status)]
    assert materialized(instance, "dividends") == []
    assert materialized(instance, "splits") == [None]
    for asset in ("symbols", "daily_bars", "data_coverage"):
        assert materialized(instance, asset) == ["2024-06-24", "2024-06-25"]


def test_rows_that_are_not_stored_and_dates_out_of_order_are_warned_of(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    row = {"ticker": "MSFT", "ex_dividend_date": "2023-05-15", "cash_amount": 0.5}
    late = row | {"declaration_date": "2023-05-16", "distribution_type": "special"}
    rows = [row | {"cash_amount": 0}, late]
    vendor.faults.add("bad_rows", endpoint="dividends", session="2023-05-15", rows=rows)
    vendor.faults.add("repeated_dividend", tickers=["AAPL"], days=0)

    run_id = runs.run("universe_discovery", TWO_DAYS, name="by hand").run_id

    found = evaluations(instance, run_id)["dividends_are_plausible"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert offenders(found) == (
        2,
        "- 2023-05-15 MSFT: cash\\_positive\n- 2023-05-15 MSFT: declared 2023-05-16",
    )


def test_loads_of_chosen_symbols_do_not_wait_for_them(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    assert runs.run("symbols_and_splits", TWO_DAYS, name="by hand").success

    assert vendor.count("dividends") == 0
    assert vendor.count("splits") == 1
    assert materialized(instance, "symbols") == ["2024-06-24", "2024-06-25"]
