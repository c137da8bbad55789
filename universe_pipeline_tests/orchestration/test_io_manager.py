"""`postgres_io` gives other people's assets the bars of their sessions."""

import dagster as dg
import polars as pl
import pytest

from universe_pipeline.domain.errors import UsageError
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.orchestration.partitions import SESSIONS
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.dagster_records import sessions
from universe_pipeline_tests.support.simulated_answers import grouped

COLUMNS = ["date", "symbol", "open", "high", "low", "close", "volume", "vwap", "transactions"]


def test_a_downstream_asset_gets_the_bars_of_its_sessions_as_a_frame(
    runs: Runs, instance: dg.DagsterInstance, vendor: SimulatedVendor
) -> None:
    runs.run("historical_load", sessions("2024-06-24", "2024-06-26"), name="by hand")
    given: list[pl.DataFrame] = []

    @dg.asset(
        partitions_def=SESSIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"bars": dg.AssetIn("daily_bars", input_manager_key="postgres_io")},
    )
    def counted(bars: pl.DataFrame) -> None:
        given.append(bars)

    resources = build_defs(load_settings()).resources
    assert resources is not None
    upstream = dg.AssetSpec("daily_bars", partitions_def=SESSIONS)
    dg.materialize(
        [counted, upstream],
        resources={"postgres_io": resources["postgres_io"]},
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": "2024-06-25",
            "dagster/asset_partition_range_end": "2024-06-26",
        },
    )

    (frame,) = given
    assert frame.columns == COLUMNS
    days = frame.partition_by("date", as_dict=True)
    assert [str(day) for (day,) in days] == ["2024-06-25", "2024-06-26"]
    for (day,), bars in days.items():
        assert bars.drop("date").rows() == grouped(vendor, str(day))


def refusal(
    instance: dg.DagsterInstance, downstream: dg.AssetsDefinition, upstream: dg.AssetSpec
) -> str:
    """What the input of `downstream` ends with."""
    resources = build_defs(load_settings()).resources
    assert resources is not None
    with pytest.raises(UsageError) as refused:
        dg.materialize(
            [downstream, upstream],
            resources={"postgres_io": resources["postgres_io"]},
            instance=instance,
            partition_key="2024-06-25" if downstream.partitions_def else None,
        )
    return str(refused.value)


@pytest.mark.parametrize("key", ["symbols", "data_coverage", "splits", "mine/daily_bars"])
def test_an_asset_that_is_not_read_is_refused_by_its_name(
    instance: dg.DagsterInstance, key: str
) -> None:
    asked = dg.AssetKey(key.split("/"))

    @dg.asset(
        partitions_def=SESSIONS,
        ins={"rows": dg.AssetIn(asked, input_manager_key="postgres_io")},
    )
    def downstream(rows: pl.DataFrame) -> None:
        raise AssertionError(rows)

    assert refusal(instance, downstream, dg.AssetSpec(asked, partitions_def=SESSIONS)) == (
        f"the input 'rows' is the asset '{key}', which postgres_io does not read: it reads "
        "daily_bars; declare the asset by `deps`, and query its table"
    )


def test_bars_without_sessions_are_refused(instance: dg.DagsterInstance) -> None:
    @dg.asset(ins={"bars": dg.AssetIn("daily_bars", input_manager_key="postgres_io")})
    def downstream(bars: pl.DataFrame) -> None:
        raise AssertionError(bars)

    said = refusal(instance, downstream, dg.AssetSpec("daily_bars"))

    assert said == (
        "the input 'bars' asks for all of 'daily_bars', which is read by session: give the asset "
        "partitions (`SESSIONS`)"
    )


def test_the_output_of_an_op_is_refused(instance: dg.DagsterInstance) -> None:
    @dg.op(out=dg.Out(io_manager_key="kept"))
    def made() -> int:
        return 1

    @dg.op(ins={"bars": dg.In(input_manager_key="postgres_io")})
    def used(bars: pl.DataFrame) -> None:
        raise AssertionError(bars)

    @dg.job(
        resource_defs={**(build_defs(load_settings()).resources or {}), "kept": dg.mem_io_manager}
    )
    def by_hand() -> None:
        used(made())

    with pytest.raises(UsageError) as refused:
        by_hand.execute_in_process(instance=instance)

    assert str(refused.value) == (
        "the input 'bars' is the output of an op, which postgres_io does not read: it reads "
        "daily_bars; declare the asset by `deps`, and query its table"
    )
