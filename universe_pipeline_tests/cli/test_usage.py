"""Wrong usage, no key, no database: one clear line each, exit code 2 or 1, and no traceback."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from universe_pipeline_tests.support.clocks import stop_clock
from universe_pipeline_tests.support.command_in_process import Command, Ended

LOADING = [
    ("discover",),
    ("historical", "--start", "2024-03-11"),
    ("daily",),
    ("resume",),
    ("retry",),
    ("repair", "--symbols", "AAPL", "--start", "2024-03-11", "--end", "2024-03-12"),
]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user whose database is down and whose vendor does not exist: nothing must need them."""
    return {
        "HOME": str(tmp_path),
        "UNIVERSE_HOME": str(tmp_path / "universe"),
        "UNIVERSE_DATABASE_URL": "postgresql://me:pass-word@127.0.0.1:1/bars",
        "POLYGON_API_KEY": "key-of-tests",
        "POLYGON_BASE_URL": "http://127.0.0.1:1",
        "POLYGON_RATE_LIMIT": "0",
    }


def the_line(ended: Ended) -> str:
    """The one line that the command said, on stderr."""
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    return line


@pytest.fixture
def wednesday_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """2024-07-10, 12:00 in New York: a session that has not closed."""
    stop_clock(monkeypatch, datetime(2024, 7, 10, 16, 0, tzinfo=UTC))


@pytest.mark.usefixtures("wednesday_noon")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "daily --date 2024-07-04",
            "universe: 2024-07-04 is no NYSE session (weekend or holiday); the sessions around",
        ),
        ("daily --date 2024-07-06", "universe: 2024-07-06 is no NYSE session"),
        ("daily --date 2024-07-10", "universe: the session 2024-07-10 has not closed"),
        ("daily --date 2024-07-11", "universe: the session 2024-07-11 has not closed"),
        ("daily --date 1999-12-31", "universe: 1999-12-31"),
        ("daily --date 2090-01-02", "universe: 2090-01-02"),
        ("prune --older-than 0", "universe: Invalid value for '--older-than'"),
        ("prune --older-than=-3", "universe: Invalid value for '--older-than'"),
        ("prune --older-than year", "universe: Invalid value for '--older-than'"),
        ("prune --older-than 99999999", "universe: Invalid value for '--older-than'"),
        ("daily --date today", "universe: Invalid value for '--date'"),
        ("daily --date 2024-13-01", "universe: Invalid value for '--date'"),
        (
            "historical --start 2024-03-15 --end 2024-03-11",
            "universe: the start 2024-03-15 is after the end 2024-03-11: swap them",
        ),
        (
            "historical --start 2024-03-16 --end 2024-03-17",
            "universe: no session from 2024-03-16 to 2024-03-17: the NYSE is closed",
        ),
        (
            "historical --start 2024-07-04 --end 2024-07-04",
            "universe: no session from 2024-07-04 to 2024-07-04: the NYSE is closed",
        ),
        (
            "historical --start 2024-07-10",
            "universe: the start 2024-07-10 is after the newest closed session, 2024-07-09: ",
        ),
        (
            "historical --start 2090-01-01 --end 2090-02-01",
            "universe: the start 2090-01-01 is after the newest closed session, 2024-07-09: ",
        ),
        (
            "historical --start 1999-01-04 --end 2003-09-09",
            "universe: the end 2003-09-09 is before the vendor's first session, 2003-09-10: ",
        ),
        (
            "repair --symbols AAPL --start 2090-01-01 --end 2090-02-01",
            "universe: the start 2090-01-01 is after the newest closed session, 2024-07-09: ",
        ),
        ("historical", "universe: Missing option '--start'"),
        ("historical --strat 2024-03-11", "universe: No such option: --strat"),
        (
            "historical --start 2024-03-11 --symbols ,",
            "universe: Invalid value: --symbols names no symbol: ",
        ),
        (
            "repair --start 2024-03-11 --end 2024-03-12 --symbols ,,",
            "universe: Invalid value: --symbols names no symbol: ",
        ),
        ("historical --start 2024-03-11 --batch-size 0", "universe: Invalid value for '--batch"),
        ("historical --start 2024-03-11 --concurrency x", "universe: Invalid value for '--conc"),
        ("historical 2024-03-11", "universe: "),
        (
            "repair --symbols AAPL --start 2024-03-15 --end 2024-03-11",
            "universe: the start 2024-03-15 is after the end 2024-03-11: swap them",
        ),
        ("verify --sample-size -1", "universe: Invalid value for '--sample-size'"),
        ("clear-checkpoint", "universe: Missing argument 'job'"),
        ("demo --sessions 0", "universe: Invalid value for '--sessions'"),
        ("statsu", "universe: No such command 'statsu'"),
    ],
)
def test_wrong_usage_is_reported_in_one_line_before_anything_is_done(
    command: Command, arguments: str, said: str
) -> None:
    ended = command(*arguments.split())

    assert ended.code == 2
    assert the_line(ended).startswith(said)


@pytest.mark.parametrize("symbols", ["AAPL MSFT", "AAPL,BRK B", "AAPL\tMSFT"])
def test_symbols_without_a_comma_between_them_are_reported(command: Command, symbols: str) -> None:
    ended = command("historical", "--start", "2024-03-11", "--symbols", symbols)

    assert ended.code == 2
    line = the_line(ended)
    assert "holds a space: separate symbols by commas, like AAPL,BRK.B" in line
    assert repr(symbols.rpartition(",")[2]) in line


def test_a_date_before_the_start_date_is_named_with_the_setting(command: Command) -> None:
    ended = command("daily", "--date", "2024-03-11", UNIVERSE_START_DATE="2024-03-12")

    assert ended.code == 2
    assert the_line(ended) == (
        "universe: 2024-03-11: before UNIVERSE_START_DATE, 2024-03-12: set that earlier"
    )


def test_without_a_command_the_help_is_shown(command: Command) -> None:
    ended = command()

    assert ended.code == 2
    assert "historical" in ended.out + ended.err


@pytest.mark.parametrize("arguments", LOADING, ids=lambda arguments: arguments[0])
def test_without_a_key_the_variable_is_named_before_anything_is_done(
    command: Command, arguments: tuple[str, ...]
) -> None:
    ended = command(*arguments, POLYGON_API_KEY="")

    assert ended.code == 2
    assert "POLYGON_API_KEY is not set" in the_line(ended)


@pytest.mark.parametrize(
    "arguments",
    [
        *LOADING,
        ("status",),
        ("errors",),
        ("verify",),
        ("report",),
        ("url",),
        ("psql",),
        ("clear-checkpoint", "x"),
    ],
    ids=" ".join,
)
def test_a_database_that_is_down_is_reported_in_one_line_without_its_password(
    command: Command, arguments: tuple[str, ...]
) -> None:
    ended = command(*arguments)

    assert ended.code == 1
    line = the_line(ended)
    assert line.startswith("universe: cannot reach the database at me@127.0.0.1:1/bars: ")
    assert "pass-word" not in line
