"""`approve`: a quarantined session is given to readers, a refused answer is stored."""

import psycopg
import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.stored import statuses

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


JUNK = [{"T": f"ZZ{n:02}", "o": 1, "h": 1, "l": 1, "c": 1, "v": 10, "n": 2} for n in range(60)]
JUNK_LEFT = "SELECT count(*) FROM daily_bars WHERE symbol LIKE 'ZZ%%' AND date = %s"


@pytest.fixture
def refused(command: Command, connection: psycopg.Connection, vendor: SimulatedVendor) -> None:
    """A loaded session with junk, whose right answer was refused."""
    vendor.faults.add("bad_rows", endpoint="grouped", rows=JUNK, times=1)
    assert command(*LOAD).code == 0
    ended = command(*LOAD, "--reload")
    assert ended.code == 1
    assert f"`universe approve {SESSION} --reason TEXT` accepts it at once" in ended.err
    assert "0 of 1 sessions loaded, 0 bars" in ended.out
    assert connection.execute(JUNK_LEFT, (SESSION,)).fetchone() == (60,)


@pytest.mark.usefixtures("refused")
def test_an_approved_smaller_answer_is_fetched_and_stored_at_once(
    command: Command, connection: psycopg.Connection
) -> None:
    ended = command("approve", SESSION, "--reason", "60 junk tickers")

    assert ended.code == 0
    assert ended.out.startswith(f"approved: {SESSION} with ")
    assert connection.execute(JUNK_LEFT, (SESSION,)).fetchone() == (0,)
    removed = connection.execute("SELECT count(*) FROM bar_revisions").fetchone()
    assert removed == (60,)
    assert command("errors").out.strip() == "no open errors"
    assert command("approve", SESSION, "--reason", "again").code == 2


@pytest.mark.usefixtures("refused")
def test_without_a_key_it_is_said_which_command_stores_an_approved_answer(
    command: Command, connection: psycopg.Connection
) -> None:
    without = command("approve", SESSION, "--reason", "junk", POLYGON_API_KEY="")
    left = connection.execute(JUNK_LEFT, (SESSION,)).fetchone()
    stored = command(*LOAD, "--reload")

    assert without.code == 0
    assert f"`universe historical --start {SESSION} --end {SESSION} --reload`" in without.err
    assert left == (60,)
    assert stored.code == 0
    assert connection.execute(JUNK_LEFT, (SESSION,)).fetchone() == (0,)


@pytest.mark.usefixtures("refused")
def test_an_approval_holds_for_the_answer_that_was_refused_alone(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("collapsed", endpoint="grouped")

    ended = command("approve", SESSION, "--reason", "60 junk tickers")

    assert ended.code == 1
    assert "this is day 1; `universe approve" in ended.err
    assert connection.execute(JUNK_LEFT, (SESSION,)).fetchone() == (60,)


def test_an_approved_answer_that_is_unusual_as_well_is_given_to_readers(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command(*LOAD)
    connection.execute(
        "INSERT INTO session_loads (date, status, received, stored, fetched_at, covered)"
        " SELECT date, 'loaded', l.stored, l.stored, now(), true FROM nyse_sessions n,"
        " (SELECT stored FROM session_loads) l WHERE n.date < %s ORDER BY date DESC LIMIT 20",
        (SESSION,),
    )
    vendor.faults.add("collapsed", endpoint="grouped")
    command(*LOAD, "--reload")

    ended = command("approve", SESSION, "--reason", "half the list is gone")

    assert ended.code == 0
    assert "quarantined" not in ended.out
    command("verify")  # does not take it from readers either
    assert statuses(connection)[SESSION] == "loaded"
    job = "SELECT status FROM load_jobs WHERE kind = 'retry'"
    assert connection.execute(job).fetchall() == [("completed",)]


BY_SYMBOL = ("--symbols=AAPL", "--start", "2024-01-02", "--end", "2024-07-02")


def test_an_approved_answer_about_a_symbol_is_fetched_and_stored_at_once(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("historical", *BY_SYMBOL)
    vendor.faults.add("cut_rows", ticker="AAPL", keep=100)
    refused = command("repair", *BY_SYMBOL)

    without = command("approve", "AAPL", "--reason", "withdrawn", POLYGON_API_KEY="")
    ended = command("approve", "AAPL", "--reason", "withdrawn")
    again = command("approve", "AAPL", "--reason", "withdrawn")

    assert (refused.code, without.code, ended.code, again.code) == (1, 0, 0, 2)
    assert f"`universe repair {' '.join(BY_SYMBOL)}` stores it" in without.err
    assert "approved: AAPL with 100 rows where 126 are expected, as refused on" in ended.out
    assert "AAPL: 100 bars in 126 sessions" in ended.out
    assert connection.execute("SELECT count(*) FROM bar_revisions").fetchone() == (26,)
    assert "no refused answer about AAPL waits; waiting for approval: nothing" in again.err


def test_the_range_that_was_refused_last_is_approved_and_fetched(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("historical", *BY_SYMBOL)
    vendor.faults.add("empty", ticker="AAPL")
    spring = ("--symbols=AAPL", "--start", "2024-04-01", "--end", "2024-05-31")
    winter = ("--symbols=AAPL", "--start", "2024-01-02", "--end", "2024-01-31")
    for asked in (winter, spring):
        assert command("repair", *asked).code == 1
    connection.execute("UPDATE data_fetch_errors SET resolved_at = now() WHERE date > '2024-03-31'")

    without = command("approve", "AAPL", "--reason", "halted", POLYGON_API_KEY="")
    approved = [command("approve", "AAPL", "--reason", "halted") for _ in range(3)]

    assert without.code == 0
    assert f"`universe repair {' '.join(spring)}` stores it" in without.err
    assert [ended.code for ended in approved] == [0, 0, 2]
    assert "AAPL: 0 bars in 44 sessions" in approved[0].out
    assert "AAPL: 0 bars in 21 sessions" in approved[1].out
    left = connection.execute("SELECT count(*), min(date)::text FROM daily_bars").fetchone()
    assert left == (126 - 44 - 21, "2024-02-01")
    assert command("errors").out.strip() == "no open errors"


def test_an_approval_needs_no_open_error(
    command: Command, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    command("historical", *BY_SYMBOL)
    vendor.faults.add("empty", ticker="AAPL")
    command("repair", *BY_SYMBOL)
    connection.execute("UPDATE data_fetch_errors SET resolved_at = now()")

    ended = command("approve", "AAPL", "--reason", "halted")

    assert ended.code == 0
    assert "AAPL: 0 bars in 126 sessions" in ended.out


@pytest.mark.usefixtures("quarantined")
def test_what_waits_is_named_where_nothing_about_it_does(
    command: Command, vendor: SimulatedVendor
) -> None:
    command("historical", *BY_SYMBOL)
    vendor.faults.add("empty", ticker="AAPL")
    command("repair", *BY_SYMBOL)

    for what in ("MSFT", "2024-03-13"):
        ended = command("approve", what, "--reason", "x")
        assert ended.code == 2
        assert ended.err.strip().endswith(f"waiting for approval: {SESSION}, AAPL")
