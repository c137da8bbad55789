"""`approve`: a quarantined session is given to readers, and why is kept."""

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.cli.in_process import Command
from universe_pipeline_tests.cli.stored import statuses

SESSION = "2024-03-12"
LOAD = ("historical", "--start", SESSION, "--end", SESSION)


@pytest.fixture
def quarantined(command: Command, connection: psycopg.Connection, vendor: SimulatedVendor) -> str:
    """What the command that stored it said."""
    connection.execute(
        "INSERT INTO session_loads (date, status, received, stored, fetched_at, covered)"
        " SELECT date, 'loaded', 100, 100, now(), true FROM nyse_sessions"
        " WHERE date < %s ORDER BY date DESC LIMIT 20",
        (SESSION,),
    )
    return command(*LOAD).out


def test_a_session_with_far_more_rows_is_kept_from_readers_until_it_is_approved(
    command: Command, connection: psycopg.Connection, quarantined: str
) -> None:
    read = "SELECT count(*) > 0 FROM universe_bars WHERE date = %s"
    before = connection.execute(read, (SESSION,)).fetchone()

    ended = command("approve", SESSION, "--reason", "twice the list")

    assert before == (False,)
    assert f"{SESSION}: quarantined, " in quarantined
    assert "bars, usually 100; `universe approve` takes it as it is" in quarantined
    assert ended.code == 0
    assert ended.out.startswith(f"{SESSION} is given to readers though it breaks session_has_a_")
    assert connection.execute(read, (SESSION,)).fetchone() == (True,)
    assert connection.execute("SELECT reason FROM session_approvals").fetchall() == [
        ("twice the list",)
    ]
    covered = "SELECT count(*) > 0 FROM data_coverage WHERE loaded @> %s::date"
    assert connection.execute(covered, (SESSION,)).fetchone() == (True,)


def test_a_rerun_names_what_is_kept_from_readers(
    command: Command, connection: psycopg.Connection, quarantined: str
) -> None:
    again = command(*LOAD)
    command("approve", SESSION, "--reason", "twice the list")
    approved = command(*LOAD)

    assert again.code == 1
    assert "nothing to fetch" in again.out
    assert f"{SESSION}: quarantined, " in again.out
    assert approved.code == 0
    assert connection.execute("SELECT status FROM load_jobs").fetchall() == [("completed",)]


def test_what_is_approved_stays_so_also_where_it_is_verified(
    command: Command, connection: psycopg.Connection, quarantined: str
) -> None:
    failed = command("verify", "--start", SESSION, "--end", SESSION).code
    command("approve", SESSION, "--reason", "twice the list")

    ended = command("verify", "--start", SESSION, "--end", SESSION)

    assert (failed, ended.code) == (1, 0)
    assert statuses(connection)[SESSION] == "loaded"


@pytest.mark.usefixtures("quarantined")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("2024-03-11", "--reason", "x"), "2024-03-11 is not quarantined: it is loaded"),
        (("2024-03-13", "--reason", "x"), "2024-03-13 is not quarantined: it is not stored"),
        ((SESSION, "--reason", " "), "--reason is empty"),
        ((SESSION,), "Missing option '--reason'"),
        (("12.3.2024", "--reason", "x"), "no day of the form"),
    ],
)
def test_anything_else_is_wrong_usage(
    command: Command, arguments: tuple[str, ...], said: str
) -> None:
    ended = command("approve", *arguments)

    assert ended.code == 2
    assert said in ended.err
