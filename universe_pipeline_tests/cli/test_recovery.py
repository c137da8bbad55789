"""`resume`, `clear-checkpoint`, `retry`: going on exactly where a job ended, however it ended."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.postgres.locks import SESSION_LOCKS
from universe_pipeline.orchestration.internals.interrupts import ONE_SIGNAL
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.simulated_answers import asked_sessions, grouped
from universe_pipeline_tests.support.stored import bars, job_statuses, statuses

WEEK = ["2024-03-11", "2024-03-12", "2024-03-13", "2024-03-14", "2024-03-15"]
LOAD = ("historical", "--start", "2024-03-11", "--end", "2024-03-15")
JOB = "historical_load_2024-03-11_2024-03-15"
PROGRAM = Path(sys.executable).parent / "universe"


@contextmanager
def started(
    environment: dict[str, str], folder: Path, *arguments: str
) -> Generator[subprocess.Popen[str]]:
    """A real `universe` that is still running when the block begins."""
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def await_loaded(connection: psycopg.Connection, count: int) -> None:
    """Return once so many sessions are loaded."""
    query = "SELECT count(*) FROM session_loads WHERE status = 'loaded'"
    for _ in range(600):
        if connection.execute(query).fetchone() == (count,):
            return
        time.sleep(0.1)
    pytest.fail(f"never came to {count} loaded sessions")


def await_waiting(connection: psycopg.Connection) -> None:
    """Return once a session waits for a lock of this database."""
    query = (
        "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted"
    )
    for _ in range(600):
        if connection.execute(query).fetchone() is not None:
            return
        time.sleep(0.1)
    pytest.fail("nobody waits for a lock")


def test_a_killed_load_is_known_as_interrupted_and_goes_on_with_exactly_the_rest(
    command: Command,
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    vendor.faults.add("delay", endpoint="grouped", after=2, seconds=600)
    with started({**environment, "UNIVERSE_CONCURRENCY": "1"}, tmp_path, *LOAD) as process:
        await_loaded(connection, 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    vendor.faults.clear()
    before = json.loads(command("status", "--json").out)["jobs"][JOB]
    asked = vendor.count("grouped")

    resumed = command("resume")

    assert before["status"] == "interrupted"
    assert before["processed_dates"] == WEEK[:2]
    assert resumed.code == 0
    assert asked_sessions(vendor, asked) == WEEK[2:]
    assert json.loads(command("status", "--json").out)["jobs"][JOB]["status"] == "completed"
    for session in WEEK:
        assert bars(connection, session) == grouped(vendor, session)
    shown = connection.execute(
        "SELECT asset_key, partition, count(*) FROM dagster.event_logs"
        " WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
        "   AND asset_key IN ('[\"daily_bars\"]', '[\"data_coverage\"]')"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    assert shown == [
        (asset, day, 1) for asset in ('["daily_bars"]', '["data_coverage"]') for day in WEEK
    ]
    runs = connection.execute("SELECT status FROM dagster.runs ORDER BY id").fetchall()
    assert runs == [("FAILURE",), ("SUCCESS",)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_load_exits_130_with_its_progress_saved(
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    environment: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    vendor.faults.add("delay", endpoint="grouped", after=2, seconds=8)
    with started({**environment, "UNIVERSE_CONCURRENCY": "1"}, tmp_path, *LOAD) as process:
        await_loaded(connection, 2)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]

        assert process.returncode == 130
    assert said.splitlines()[-1].startswith("universe: interrupted; what is committed is kept")
    assert "Traceback" not in said
    assert statuses(connection) == dict.fromkeys(WEEK[:2], "loaded")
    assert job_statuses(connection) == {JOB: "interrupted"}
    document = json.loads((tmp_path / "universe" / "universe_loader_checkpoint.json").read_text())
    assert document[JOB]["status"] == "interrupted"


@pytest.mark.parametrize(
    ("signals", "kept", "job"), [(1, WEEK[:3], "interrupted"), (2, WEEK[:2], "in_progress")]
)
def test_the_session_in_hand_is_finished_at_the_first_interrupt_and_left_at_the_second(
    command: Command,
    connection: psycopg.Connection,
    environment: dict[str, str],
    tmp_path: Path,
    signals: int,
    kept: list[str],
    job: str,
) -> None:
    third = (SESSION_LOCKS, date(2024, 3, 13).toordinal())
    connection.execute("SELECT pg_advisory_lock(%s, %s)", third)  # its writer has to wait
    with started(environment, tmp_path, *LOAD) as process:
        await_waiting(connection)
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(ONE_SIGNAL + 0.2)
        if signals == 1:
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", third)
        said = process.communicate(timeout=60)[1]

        assert process.returncode == 130
    assert "what is committed is kept" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert statuses(connection) == dict.fromkeys(kept, "loaded")
    assert job_statuses(connection) == {JOB: job}
    connection.execute("SELECT pg_advisory_unlock_all()")
    assert command("resume").code == 0
    assert statuses(connection) == dict.fromkeys(WEEK, "loaded")


def test_two_loads_of_one_range_at_once_leave_each_session_once(
    connection: psycopg.Connection,
    vendor: SimulatedVendor,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    with (
        started(environment, tmp_path, *LOAD) as one,
        started(environment, tmp_path, *LOAD) as other,
    ):
        said = [one.communicate(timeout=120)[1], other.communicate(timeout=120)[1]]
        codes = {one.returncode, other.returncode}

    assert codes <= {0, 1}
    assert 0 in codes
    assert 1 not in codes or f"{JOB} is running in another process" in said[0] + said[1]
    assert "Traceback" not in said[0] + said[1]
    for session in WEEK:
        assert bars(connection, session) == grouped(vendor, session)


def test_a_failed_job_goes_on_with_what_failed(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-03-11", "--end", "2024-03-12")
    connection.execute("UPDATE load_jobs SET status = 'failed'")
    connection.execute("UPDATE session_loads SET status = 'failed' WHERE date = '2024-03-12'")

    ended = command("resume", "historical_load_2024-03-11_2024-03-12")

    assert ended.code == 0
    assert asked_sessions(vendor, 2) == ["2024-03-12"]
    assert job_statuses(connection) == {"historical_load_2024-03-11_2024-03-12": "completed"}


def test_with_nothing_to_go_on_with_that_is_said(command: Command) -> None:
    ended = command("resume")

    assert ended.code == 0
    assert ended.out == "no interrupted or failed job to go on with\n"


@pytest.mark.parametrize("arguments", [("resume", "nonsense"), ("clear-checkpoint", "nonsense")])
def test_a_job_that_does_not_exist_is_wrong_usage(
    command: Command, arguments: tuple[str, ...]
) -> None:
    ended = command(*arguments)

    assert ended.code == 2
    assert ended.err == "universe: there is no job nonsense; the jobs are: none yet\n"


def test_after_a_cleared_checkpoint_the_next_run_fetches_every_session_again_and_once(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command(*LOAD)
    held = connection.execute("SELECT count(*) FROM daily_bars").fetchone()

    cleared = command("clear-checkpoint", JOB)
    meanwhile = json.loads(command("status", "--json").out)["jobs"][JOB]
    between = connection.execute("SELECT count(*) FROM daily_bars").fetchone()
    command(*LOAD)
    once_more = command(*LOAD)

    assert cleared.code == 0
    assert meanwhile["processed_dates"] == []
    assert between == held
    assert asked_sessions(vendor) == sorted(WEEK * 2)
    assert "nothing to fetch" in once_more.out


def test_after_a_cleared_checkpoint_the_next_daily_update_fetches_its_session_again(
    command: Command, vendor: SimulatedVendor
) -> None:
    daily = ("daily", "--date", "2024-03-15")
    command(*daily)
    command("clear-checkpoint", "daily_update_2024-03-15")

    ended = command(*daily)

    assert ended.code == 0
    assert asked_sessions(vendor) == ["2024-03-15", "2024-03-15"]
    assert "nothing to fetch" in command(*daily).out


LOAD_OF_SYMBOLS = (*LOAD, "--symbols", "AAPL")


def load_symbols_and_clear(command: Command, connection: psycopg.Connection) -> str:
    """The name of a job of symbols that is done, and has no checkpoint any more."""
    command(*LOAD_OF_SYMBOLS)
    ((name,),) = connection.execute("SELECT name FROM load_jobs").fetchall()
    command("clear-checkpoint", name)
    return name


def test_after_a_cleared_checkpoint_a_load_of_symbols_asks_for_them_again(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    load_symbols_and_clear(command, connection)

    ended = command(*LOAD_OF_SYMBOLS)

    assert ended.code == 0
    assert vendor.count("range") == 2


def test_a_load_of_other_sessions_does_not_stand_in_for_a_cleared_checkpoint(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    name = load_symbols_and_clear(command, connection)

    command("historical", "--start", "2024-03-18", "--end", "2024-03-22", "--symbols", "AAPL")
    meanwhile = json.loads(command("status", "--json").out)["jobs"][name]
    ended = command(*LOAD_OF_SYMBOLS)

    assert meanwhile["processed_dates"] == []
    assert ended.code == 0
    asked = [log.path.split("/")[-2:] for log in vendor.requests if log.endpoint == "range"]
    weeks = [["2024-03-11", "2024-03-15"], ["2024-03-18", "2024-03-22"]]
    assert asked == [*weeks, weeks[0]]


def test_retry_fetches_what_failed_and_closes_its_errors(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="grouped", session="2024-03-12", times=1)
    vendor.faults.add("404", endpoint="grouped", session="2024-03-14", times=1)
    vendor.faults.add("404", endpoint="tickers", times=1)
    command(*LOAD)
    listed = json.loads(command("errors", "--json").out)["errors"]
    asked = vendor.count("grouped")

    ended = command("retry")

    assert [(one["date"], one["kind"]) for one in listed] == [
        (None, "not_found"),
        ("2024-03-12", "not_found"),
        ("2024-03-14", "not_found"),
    ]
    assert ended.code == 0
    assert asked_sessions(vendor, asked) == ["2024-03-12", "2024-03-14"]
    assert json.loads(command("errors", "--json").out) == {"errors": []}
    assert statuses(connection) == dict.fromkeys(WEEK, "loaded")
    assert connection.execute("SELECT count(*) > 250 FROM symbols").fetchone() == (True,)


def test_a_retry_that_fails_is_gone_on_with_for_what_failed_alone(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="grouped")
    connection.execute(
        "INSERT INTO data_fetch_errors"
        " (dataset, endpoint, date, kind, message, attempts, retryable)"
        " VALUES ('daily_bars', 'x', '2024-03-11', 'timeout', 'x', 6, true),"
        "        ('daily_bars', 'x', '2024-03-20', 'timeout', 'x', 6, true)"
    )
    command("retry")

    command("resume")

    assert set(asked_sessions(vendor)) == {"2024-03-11", "2024-03-20"}


def test_permanent_failures_are_asked_for_again_only_by_retry(
    command: Command, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="grouped", session="2024-03-12", times=1)
    command(*LOAD)
    asked = vendor.count("grouped")

    again = command(*LOAD)
    resumed = command("resume")

    assert asked_sessions(vendor, asked) == []
    for ended in (again, resumed):
        assert ended.code == 1
        assert "4 of 5 sessions are loaded, nothing to fetch" in ended.out
        assert "failed for good before: 2024-03-12; `universe retry` asks again" in ended.err
    assert command("retry").code == 0
    assert asked_sessions(vendor, asked) == ["2024-03-12"]


@pytest.mark.parametrize("going_on", ["resume", "retry"])
def test_sessions_before_a_later_start_date_are_named_and_the_others_loaded(
    command: Command, vendor: SimulatedVendor, going_on: str
) -> None:
    for session in ("2024-03-12", "2024-03-14"):
        vendor.faults.add("empty", endpoint="grouped", session=session)
    command(*LOAD)
    vendor.faults.clear()
    asked = vendor.count("grouped")

    ended = command(going_on, UNIVERSE_START_DATE="2024-03-13")

    assert ended.code == 1
    assert "2024-03-12: before UNIVERSE_START_DATE, 2024-03-13: set that earlier" in ended.err
    assert "Error" not in ended.err
    assert asked_sessions(vendor, asked) == ["2024-03-14"]
    assert command(going_on).code == 0


def test_a_job_of_which_the_plan_reaches_nothing_is_not_completed(
    command: Command, connection: psycopg.Connection
) -> None:
    connection.execute(
        "INSERT INTO data_fetch_errors"
        " (dataset, endpoint, date, kind, message, attempts, retryable)"
        " VALUES ('daily_bars', 'x', '2024-06-03', 'outside_plan', 'x', 1, false)"
    )

    ended = command(*LOAD)

    assert ended.code == 1
    assert "failed for good before: 2024-03-11 to 2024-03-15" in ended.err
    assert job_statuses(connection) == {JOB: "failed"}


def test_what_was_refused_to_a_wrong_key_is_loaded_with_the_right_one(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("401_unknown_key")
    refused = command(*LOAD)
    vendor.faults.clear()

    resumed = command("resume")

    assert (refused.code, resumed.code) == (1, 0)
    assert statuses(connection) == dict.fromkeys(WEEK, "loaded")
    assert json.loads(command("errors", "--json").out) == {"errors": []}


def test_a_refused_key_ends_a_resume_of_many_jobs(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    assert command("discover").code == 0
    connection.execute(
        "INSERT INTO load_jobs (name, kind, start_date, end_date, status, started_at, last_updated)"
        " SELECT 'job ' || day, 'historical', day, day, 'interrupted', now(), now()"
        " FROM unnest(%s::date[]) day",
        (WEEK,),
    )
    vendor.faults.add("401_unknown_key")

    ended = command("resume")

    assert ended.code == 1
    assert vendor.count("grouped") == 1
    assert ended.err.count("[unauthorized]") == 1
    assert "4 more jobs are left: the vendor refuses the key to all alike" in ended.err


def test_a_lost_database_connection_is_reported_in_one_line_and_the_job_goes_on(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("delay", endpoint="grouped", after=2, seconds=3, times=1)

    def cut() -> None:
        await_loaded(connection, 2)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    with ThreadPoolExecutor() as pool:
        cutting = pool.submit(cut)
        ended = command(*LOAD, UNIVERSE_CONCURRENCY="1")
        cutting.result()
    resumed = command("resume")

    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1].startswith("universe: ")
    assert resumed.code == 0
    assert statuses(connection) == dict.fromkeys(WEEK, "loaded")
