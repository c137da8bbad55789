"""`report`: one file, whole or not at all, of all that is stored or of a range."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.summaries import report_page
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.command_in_process import Command

LOAD = ("historical", "--start", "2024-03-11", "--end", "2024-03-14")


def test_it_writes_one_page_and_says_where_how_large_and_of_what(
    command: Command, vendor: SimulatedVendor, tmp_path: Path
) -> None:
    command(*LOAD)
    asked = vendor.count()

    ended = command("report", POLYGON_API_KEY="")

    assert ended.code == 0
    page = tmp_path / "report.html"
    size = page.stat().st_size / 1e6
    assert ended.out == f"report.html  {size:.2f} MB, 4 sessions\n"
    assert 0.02 < size < 1
    html = page.read_text()
    assert "4 sessions from" in html
    assert html.count("<title>2024-03-1") >= 4
    assert vendor.count() == asked
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_range_bounds_it(command: Command, tmp_path: Path) -> None:
    command(*LOAD)
    output = tmp_path / "some.html"

    ended = command(
        "report", "--output", str(output), "--start", "2024-03-12", "--end", "2024-03-13"
    )

    assert ended.out.endswith("2 sessions\n")
    assert "2024-03-12 available" in output.read_text()
    assert "2024-03-14 available" not in output.read_text()


def test_it_replaces_what_was_there_and_never_a_part_of_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    page.write_text("the one before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        failed = command("report")
    left = page.read_text()
    ended = command("report")

    assert (failed.code, failed.err) == (1, "universe: report.html: No space left on device\n")
    assert left == "the one before"
    assert ended.code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["report.html"]


def test_an_empty_database_makes_a_page_that_says_what_to_run(
    command: Command, tmp_path: Path
) -> None:
    ended = command("report")

    assert ended.code == 0
    assert ended.out.endswith(", 0 sessions\n")
    assert "Nothing is loaded yet" in (tmp_path / "report.html").read_text()


def test_the_last_one_is_that_of_the_newest_verification_on_any_host(
    command: Command, connection: Connection, tmp_path: Path
) -> None:
    before = command("report", "--last")
    at = datetime(2024, 3, 16, 13, 0, tzinfo=UTC)
    report_page.keep(connection, "<!doctype html>the first", 3, at)
    report_page.keep(connection, "<!doctype html>the second", 4, at)
    connection.execute("UPDATE report_page SET host = 'loader-7'")

    ended = command("report", "--last")

    assert before.out.endswith("MB, 0 sessions\n")  # none was kept: it was made
    assert (tmp_path / "report.html").read_text() == "<!doctype html>the second"
    said = "report.html  0.00 MB, 4 sessions, made 2024-03-16 13:00 UTC on loader-7\n"
    assert (ended.code, ended.out) == (0, said)
    assert command("report", "--last", "--start", "2024-03-11").code == 2


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (".", "universe: . is a folder: name a file in it"),
        ("nowhere/report.html", "universe: there is no folder nowhere"),
        ("/dev/null", "universe: /dev/null is not an ordinary file: name another"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line_before_anything_is_done(
    command: Command, output: str, said: str
) -> None:
    ended = command(
        "report", "--output", output, UNIVERSE_DATABASE_URL="postgresql://127.0.0.1:1/x"
    )

    assert (ended.code, ended.out, ended.err) == (2, "", f"{said}\n")


def test_a_range_without_a_session_is_refused(command: Command, tmp_path: Path) -> None:
    command(*LOAD)

    ended = command("report", "--start", "2024-03-16", "--end", "2024-03-17")

    assert ended.code == 2
    assert ended.err.startswith("universe: no session from 2024-03-16 to 2024-03-17")
    assert not (tmp_path / "report.html").exists()


def test_neither_key_nor_password_stands_in_it(
    command: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    command(*LOAD)

    command("report")

    html = (tmp_path / "report.html").read_text()
    assert environment["POLYGON_API_KEY"] not in html
    assert not re.search(r"postgres(ql)?://", html)
    assert environment["UNIVERSE_DATABASE_URL"] not in html


@pytest.mark.parametrize("words", [["--help"], ["status"], ["report", "--help"]])
def test_what_draws_is_imported_by_the_report_alone(universe: Universe, words: list[str]) -> None:
    ended = universe(*words, env={"PYTHONPROFILEIMPORTTIME": "1"})

    assert ended.returncode == 0
    assert "universe_pipeline.cli.app" in ended.stderr
    assert not re.search(
        r"\| +(altair|vl_convert|jinja2|universe_pipeline\.reporting)", ended.stderr
    )


def test_it_does_not_start_dagster(universe: Universe) -> None:
    ended = universe("report", env={"PYTHONPROFILEIMPORTTIME": "1"})

    assert ended.returncode == 0
    assert re.search(r"\| +altair$", ended.stderr, re.MULTILINE)
    assert not re.search(r"\| +dagster\b", ended.stderr)
