"""The asset `report`: made by hand, and at the end of every verification."""

import re
from pathlib import Path
from typing import Any

import dagster as dg

from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.dagster_records import materialized, sessions

TWO_DAYS = sessions("2024-06-24", "2024-06-25")


def newest(instance: dg.DagsterInstance) -> dict[str, Any]:
    record = instance.fetch_materializations(dg.AssetKey("report"), limit=1).records[0]
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_a_verification_ends_with_a_report_of_what_it_found(
    runs: Runs, instance: dg.DagsterInstance, environment: dict[str, str], vendor: SimulatedVendor
) -> None:
    odd = {"T": "ODD", "o": 10, "h": 10, "l": 10, "c": 10, "v": 5, "vw": 20, "n": 1}
    vendor.faults.add("bad_rows", endpoint="grouped", session="2024-06-25", rows=[odd])
    runs.run("historical_load", TWO_DAYS, name="by hand")
    before = materialized(instance, "report")

    ended = runs.run("verification", TWO_DAYS, name="by hand")

    assert ended.success
    assert (before, materialized(instance, "report")) == ([], [None])
    found = newest(instance)
    path = Path(environment["UNIVERSE_HOME"]) / "report.html"
    assert (found["path"], found["bytes"]) == (str(path), path.stat().st_size)
    assert (found["sessions"], found["available"]) == (2, 2)
    html = path.read_text()
    assert "the last 2 loads and verifications" in html  # its own among them
    assert "in the verification of" in html


def test_the_pictures_are_in_the_metadata(runs: Runs, instance: dg.DagsterInstance) -> None:
    runs.run("historical_load", TWO_DAYS, name="by hand")

    runs.run("verification", (), name="by hand")

    found = newest(instance)
    for name in ("calendar", "bars", "symbols"):
        assert re.match(r"!\[[\w ]+\]\(data:image/svg\+xml;base64,", found[name]), name
        assert len(found[name]) < 100_000


def test_it_can_be_made_where_nothing_is_loaded(runs: Runs, instance: dg.DagsterInstance) -> None:
    ended = runs.run("verification", (), name="by hand")

    assert ended.success
    assert newest(instance)["sessions"] == 0
