"""`status`, `errors` and the checkpoint document: documented keys, true figures."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, datetime
from errno import EACCES, EROFS
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest

from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.bars import writing
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.adapters.postgres.locks import URGENT
from universe_pipeline.adapters.postgres.pace import SharedPace
from universe_pipeline.cli.status import CHECKPOINT, write_checkpoint
from universe_pipeline.settings import load_settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.command_in_process import Command

LOAD = ("historical", "--start", "2024-03-09", "--end", "2024-03-13")
JOB = "historical_load_2024-03-09_2024-03-13"
DAYS = ["2024-03-11", "2024-03-12", "2024-03-13"]
JOB_KEYS = {
    "total_dates",
    "processed_dates",
    "total_bars",
    "last_processed_date",
    "status",
    "last_updated",
}


def test_an_empty_database_has_a_status_too(command: Command) -> None:
    ended, document = command("status"), json.loads(command("status", "--json").out)

    assert ended.code == 0
    assert "none asked for yet" in ended.out
    assert document["jobs"] == document["actions"] == {}
    assert document["coverage"]["bars"] == 0


def test_the_status_document_says_what_is_loaded(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    command(*LOAD)
    checkpoint = tmp_path / "universe" / "universe_loader_checkpoint.json"
    written_by_the_load = json.loads(checkpoint.read_text())

    ended = command("status", "--json", POLYGON_RATE_LIMIT="7")

    document = json.loads(ended.out)
    assert ended.err == ""
    assert {"jobs", "sessions", "symbols", "coverage", "errors", "pace"} <= document.keys()
    job = document["jobs"][JOB]
    assert job.keys() >= JOB_KEYS
    assert (job["total_dates"], job["processed_dates"]) == (3, DAYS)
    assert (job["last_processed_date"], job["status"]) == ("2024-03-13", "completed")
    assert datetime.fromisoformat(job["last_updated"]).utcoffset() is not None
    figures: Any = connection.execute(
        "SELECT (SELECT count(*) FROM daily_bars), (SELECT count(*) FROM symbols),"
        " (SELECT count(*) FROM symbols WHERE active),"
        " (SELECT count(DISTINCT symbol) FROM daily_bars)"
    ).fetchone()
    assert job["total_bars"] == document["coverage"]["bars"] == figures[0]
    assert (document["symbols"]["total"], document["symbols"]["active"]) == figures[1:3]
    assert document["coverage"]["symbols"] == figures[3]
    assert document["sessions"]["loaded"] == 3
    assert document["errors"]["open"] == 0
    assert document["pace"]["requests_per_minute"] == 7
    assert json.loads(checkpoint.read_text()) == document["jobs"] == written_by_the_load
    assert [path.name for path in checkpoint.parent.iterdir() if "checkpoint" in path.name] == [
        "universe_loader_checkpoint.json"
    ]


def test_a_job_nobody_works_on_is_interrupted_and_one_without_heartbeat_is_stuck(
    command: Command, connection: psycopg.Connection
) -> None:
    connection.execute(
        "INSERT INTO load_jobs (name, kind, start_date, end_date, status, started_at, last_updated)"
        " VALUES ('dead', 'historical', '2024-03-11', '2024-03-12', 'in_progress', now(), now()),"
        " ('held', 'historical', '2024-03-11', '2024-03-12', 'in_progress', now(),"
        "  now() - interval '16 minutes')"
    )
    connection.execute("SELECT pg_advisory_lock(hashtextextended('job held', 0))")

    jobs = json.loads(command("status", "--json").out)["jobs"]

    assert (jobs["dead"]["status"], jobs["held"]["status"]) == ("interrupted", "stuck")


def test_failures_and_sessions_by_status_are_shown_to_people_and_programs(
    command: Command, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", session="2024-03-12")
    vendor.faults.add("403_before_end_of_day", session="2024-03-13")
    command(*LOAD)

    status, errors = command("status"), command("errors")
    document = json.loads(command("status", "--json").out)
    (error,) = json.loads(command("errors", "--json").out)["errors"]

    assert "1 failed, 1 loaded, 1 pending (2024-03-11 to 2024-03-11)" in status.out
    assert f"{JOB}  failed" in status.out
    assert "errors    1 open" in status.out
    assert "2024-03-12" in errors.out
    assert "not_found" in errors.out
    assert (status.err, errors.err) == ("", "")
    assert document["jobs"][JOB]["status"] == "failed"
    assert document["jobs"][JOB]["processed_dates"] == ["2024-03-11"]
    assert document["sessions"] | {"failed": 1, "pending": 1, "loaded": 1} == document["sessions"]
    assert datetime.fromisoformat(error.pop("occurred_at")).utcoffset() is not None
    assert error == {
        "dataset": "daily_bars",
        "endpoint": "/v2/aggs/grouped/locale/us/market/stocks/2024-03-12",
        "symbol": None,
        "date": "2024-03-12",
        "kind": "not_found",
        "http_status": 404,
        "message": "the vendor has nothing there: Data not found.",
        "attempts": 1,
        "retryable": False,
    }


def test_what_the_vendor_says_is_shown_letter_by_letter(
    command: Command, vendor: SimulatedVendor
) -> None:
    place = "https://api.example.invalid/[bold]x[/bold][/]:smile:"
    vendor.faults.add("redirect", session="2024-03-12", url=place)

    load, errors = command(*LOAD), command("errors")

    assert (load.code, errors.code) == (1, 0)
    assert place in load.err
    assert place in errors.out


def test_the_checkpoint_is_whole_however_many_write_it(
    command: Command, connection: psycopg.Connection, database: Database
) -> None:
    command(*LOAD)
    settings = load_settings()
    path = settings.universe_home / CHECKPOINT

    def write(_: int) -> None:
        with database.connect() as own:
            for _ in range(20):
                write_checkpoint(settings, own)
                assert json.loads(path.read_text()).keys() == {JOB}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))

    assert [each.name for each in path.parent.glob(f".{CHECKPOINT}*")] == []


def test_a_home_that_cannot_be_written_is_reported_in_one_line(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    ended = command("status", UNIVERSE_HOME=str(tmp_path / "file"))

    assert ended.code in {1, 2}
    (line,) = ended.err.splitlines()
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize("number", [EROFS, EACCES])
def test_a_home_that_can_only_be_read_fails_no_status(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", refused)  # root may write anywhere

    ended = command("status", "--json")

    assert ended.code == 0
    assert json.loads(ended.out)["jobs"] == {}
    assert f"{CHECKPOINT} was not written: {os.strerror(number)}" in caplog.text


def test_status_names_the_holder_of_each_lock(
    command: Command, connection: psycopg.Connection, database: Database
) -> None:
    assert "held by other processes" not in command("status").out
    assert json.loads(command("status", "--json").out)["locks"] == []
    days = (date(2024, 3, 9), date(2024, 3, 13))
    load_jobs.begin_job(connection, JOB, "historical", days, at=machine())

    with (
        load_jobs.hold_lock(database, JOB),
        liveness.hold_lock(database, URGENT, shared=True),
        writing.locked_session(connection, date(2024, 3, 11)),
    ):
        shown = command("status").out
        locks = json.loads(command("status", "--json").out)["locks"]

    assert [lock["lock"] for lock in locks] == [
        f"job {JOB}",
        "urgent requests",
        "all sessions",
        "session 2024-03-11",
    ]
    assert {lock["process"] for lock in locks} == {os.getpid()}
    assert all(datetime.fromisoformat(lock["since"]).utcoffset() is not None for lock in locks)
    for lock in locks:
        assert f"  {lock['lock']}: " in shown
        assert f"process {os.getpid()}" in shown


def test_status_and_doctor_say_when_limits_differ(
    command: Command, connection: psycopg.Connection, database: Database
) -> None:
    with closing(SharedPace(database, 30)) as pace:
        pace.wait()
        alike = command("status", POLYGON_RATE_LIMIT="30")
        shown = command("status", POLYGON_RATE_LIMIT="5")
        examined = command("doctor", POLYGON_RATE_LIMIT="0")
        document = json.loads(command("status", "--json", POLYGON_RATE_LIMIT="5").out)

    assert "limits" not in alike.out
    said = "asks 30 a minute, here the limit is 5 a minute: set POLYGON_RATE_LIMIT alike"
    assert said in shown.out
    assert f"process {os.getpid()}" in shown.out
    assert "warn limits" in examined.out
    assert "asks 30 a minute, here the limit is unpaced" in examined.out
    (process,) = document["pace"]["processes"]
    assert (process["process"], process["requests_per_minute"]) == (os.getpid(), 30)


def test_hosts_that_asked_at_other_limits_are_named_after_they_have_ended(
    command: Command, connection: psycopg.Connection, database: Database
) -> None:
    with closing(SharedPace(database, 30)) as pace:
        pace.wait()
    (own,) = json.loads(command("status", "--json").out)["pace"]["hosts"]
    assert "hosts" not in command("status").out

    connection.execute(
        "INSERT INTO hosts SELECT 'loader-7', 5, '0.0.9', clock_timestamp() - interval '1 day'"
    )
    lines = [line for line in command("status").out.splitlines() if line.startswith("hosts")]

    assert (own["requests_per_minute"], own["release"]) == (30, version("universe-pipeline"))
    limits, releases = (line.removeprefix("hosts").strip() for line in lines)
    assert limits == (
        f"hosts ask at different limits: 30 a minute on {own['host']}; 5 a minute on loader-7. "
        "Set POLYGON_RATE_LIMIT alike on all"
    )
    assert releases.startswith("hosts run different releases: release 0.0.9 on loader-7; release ")
    assert limits in command("doctor").out
