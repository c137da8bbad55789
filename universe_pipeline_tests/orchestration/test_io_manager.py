"""`postgres_io` gives other people's assets the bars of their sessions."""

import dagster as dg
import polars as pl

from universe_pipeline.orchestration.catalogue import definitions
from universe_pipeline.orchestration.partitions import SESSIONS
from universe_pipeline.orchestration.runs import Runs
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.cli.vendor_answers import grouped
from universe_pipeline_tests.orchestration.records import sessions

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

    resources = definitions().resources
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
