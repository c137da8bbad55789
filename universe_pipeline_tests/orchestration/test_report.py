"""The asset `report`: made by hand, and at the end of every verification."""

import re
import socket
from pathlib import Path
from typing import Any

import dagster as dg

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.summaries import report_page
from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.dagster_records import materialized, sessions

TWO_DAYS = sessions("2024-06-24", "2024-06-25")


def newest(instance: dg.DagsterInstance) -> dict[str, Any]:
    record = instance.fetch_materializations(dg.AssetKey("report"), limit=1).records[0]
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_a_verification_ends_with_a_report_of_what_it_found(
    runs: Runs,
    instance: dg.DagsterInstance,
    environment: dict[str, str],
    vendor: SimulatedVendor,
    database: Database,
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
    with database.connect() as connection:
        kept = report_page.kept(connection)
    assert kept is not None
    assert (kept.html, kept.sessions, kept.host) == (path.read_bytes(), 2, found["host"])
    assert kept.host == socket.gethostname().split(".")[0]


def test_the_pictures_are_in_the_metadata(runs: Runs, instance: dg.DagsterInstance) -> None:
    runs.run("historical_load", TWO_DAYS, name="by hand")

    runs.run("verification", (), name="by hand")

    found = newest(instance)
    for name in ("calendar", "bars", "symbols"):
        assert re.match(r"!\[[\w ]+\]\(data:image/svg\+xml;base64,", found[name]), name
        assert len(found[name]) < 100_000


def test_it_can_be_made_where_nothing_is_loaded_and_the_home_takes_no_file(
    runs: Runs, instance: dg.DagsterInstance, environment: dict[str, str], connection: Connection
) -> None:
    (Path(environment["UNIVERSE_HOME"]) / "report.html").mkdir()  # root may write anywhere else

    ended = runs.run("verification", (), name="by hand")

    assert ended.success
    found = newest(instance)
    assert (found["sessions"], "path" in found, "host" in found) == (0, False, True)
    assert report_page.kept(connection) is not None
