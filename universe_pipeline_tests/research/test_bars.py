"""Bars come as they are stored, in the shape that was asked for, or an error says why not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

import polars as pl
import pytest

from universe_pipeline import read
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain.bars import BAR_VALUES
from universe_pipeline_tests.research.planted import plant_dividend
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)

ODD = bar("Ä", vwap=None, transactions=None, volume=0.25)


@pytest.fixture
def loaded(store: Connection) -> Connection:
    """Three sessions; the second holds a symbol more, and its rows lie out of order."""
    write_session(store, answered(JULY_1, bar("B", close=9.1), bar("A"), ODD), None)
    write_session(store, answered(JULY_2, bar("A", close=9.5), bar("B"), bar("C")), None)
    write_session(store, answered(JULY_3, bar("A", close=10.8)), None)
    return store


def test_everything_comes_by_date_and_symbol(loaded: Connection, data: read.Reader) -> None:
    found = data.bars(start=JULY_1)

    stored = loaded.execute(
        "SELECT date, symbol, open, high, low, close, volume, vwap, transactions"
        " FROM daily_bars ORDER BY date, symbol"
    ).fetchall()
    assert found.drop("security_id").rows() == stored
    assert found.columns == ["date", "symbol", "security_id", *BAR_VALUES]
    assert found.schema["date"] == pl.Date
    assert found.schema["transactions"] == found.schema["security_id"] == pl.Int64


def test_chosen_symbols_come_by_symbol_and_date(loaded: Connection, data: read.Reader) -> None:
    found = data.bars(["B", "Ä", "A"], start="2024-07-01", end=JULY_2)
    everything = data.bars(start=JULY_1, end=JULY_2)

    assert found.equals(everything.filter(pl.col("symbol") != "C").sort("symbol", "date"))


def test_a_frame_without_bars_has_its_columns(loaded: Connection, data: read.Reader) -> None:
    nothing = data.bars([], start=JULY_1)
    holiday = data.bars(start=date(2024, 7, 4), end=date(2024, 7, 4))

    assert nothing.schema == holiday.schema == data.bars(start=JULY_1).schema
    assert (len(nothing), len(holiday)) == (0, 0)


@pytest.mark.parametrize("columns", [["close"], ["volume", "open", "high"], ["symbol"], "vwap"])
def test_columns_come_as_they_were_asked_for(
    loaded: Connection, data: read.Reader, columns: list[str] | str
) -> None:
    shown = ["date", "symbol", *([columns] if isinstance(columns, str) else columns)]
    expected = data.bars(start=JULY_1).select(list(dict.fromkeys(shown)))

    assert data.bars(start=JULY_1, columns=columns).equals(expected)
    assert data.bars("A", JULY_1, columns=columns).equals(expected.filter(symbol="A"))


def test_closes_have_a_column_for_each_symbol(loaded: Connection, data: read.Reader) -> None:
    found = data.closes(["C", "A"], start=JULY_1, adjustment="none")

    assert found.to_dict(as_series=False) == {
        "date": [JULY_1, JULY_2, JULY_3],
        "A": [10.5, 9.5, 10.8],
        "C": [None, 10.5, None],
    }


def test_another_field_can_be_wide(loaded: Connection, data: read.Reader) -> None:
    found = data.closes("A", start=JULY_1, field="volume", adjustment="none")

    assert found["A"].to_list() == [1000.0, 1000.0, 1000.0]


def test_a_session_is_the_bars_of_that_day(loaded: Connection, data: read.Reader) -> None:
    assert data.session(JULY_2).equals(data.bars(start=JULY_2, end=JULY_2))
    with pytest.raises(ValueError, match="not an NYSE session: the sessions around it are 2024-07"):
        data.session("2024-07-04")


def test_a_scan_is_the_whole_in_pieces(loaded: Connection, data: read.Reader) -> None:
    write_session(loaded, answered(date(2024, 6, 28), bar("A")), None)

    pieces = list(data.scan("2024-06-28", columns=["close"]))

    assert [piece["date"].max() for piece in pieces] == [date(2024, 6, 28), JULY_3]
    assert pl.concat(pieces).equals(data.bars(start="2024-06-28", columns=["close"]))


def test_a_scan_is_of_all_symbols(data: read.Reader) -> None:
    with pytest.raises(ValueError, match="read chosen ones by bars"):
        data.scan(JULY_1, symbols="A")
    with pytest.raises(ValueError, match="months=0 is not accepted: give 1 or more"):
        data.scan(JULY_1, months=0)


def test_sessions_that_lack_are_named_with_their_command(
    loaded: Connection, data: read.Reader
) -> None:
    with pytest.raises(read.NotLoaded) as raised:
        data.bars("A", start="2024-06-27", end=JULY_3)

    assert str(raised.value) == (
        "2 of 5 sessions are not loaded, the first is 2024-06-27: "
        "universe historical --start 2024-06-27 --end 2024-06-28"
    )
    assert len(data.bars("A", start="2024-06-27", missing="allow")) == 3


def test_a_quarantined_session_is_hidden(loaded: Connection, data: read.Reader) -> None:
    loaded.execute("UPDATE session_loads SET status = 'quarantined' WHERE date = %s", (JULY_2,))

    with pytest.raises(read.NotLoaded, match="quarantined: universe approve 2024-07-02"):
        data.bars(start=JULY_1)
    assert JULY_2 not in data.bars(start=JULY_1, missing="allow")["date"]
    assert JULY_2 not in data.bars("A", start=JULY_1, missing="allow")["date"]


def test_a_symbol_that_was_loaded_alone_needs_no_sessions(
    loaded: Connection, data: read.Reader
) -> None:
    write_symbol(loaded, answered_symbol("A", [JULY_5], {JULY_5: bar("A")}), None)

    assert len(data.bars("A", start=JULY_1, end=JULY_5)) == 4
    with pytest.raises(read.NotLoaded):
        data.bars(["A", "B"], start=JULY_1, end=JULY_5)


def test_an_unknown_symbol_is_named(loaded: Connection, data: read.Reader) -> None:
    loaded.execute(
        "INSERT INTO symbols (symbol, name, active, first_seen_at, last_seen_at)"
        " VALUES ('A', '', true, now(), now())"
    )
    with pytest.raises(read.UnknownSymbol, match=r"^AAPLE is in no reference list and has no bar$"):
        data.bars(["A", "AAPLE"], start=JULY_1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"start": "July"}, "start='July' is not a day: give a date or YYYY-MM-DD"),
        ({"start": datetime(2024, 7, 1, 9)}, "start=2024-07-01 09:00:00 is a moment"),  # noqa: DTZ001
        ({"start": JULY_2, "end": JULY_1}, "start=2024-07-02 is after end=2024-07-01: swap them"),
        ({}, "start= is needed"),
        (
            {"start": JULY_1, "columns": ["cloze"]},
            "columns='cloze' is not a column: give 'security_id'",
        ),
        ({"start": JULY_1, "missing": "skip"}, "missing='skip' is not accepted: give 'raise' or"),
        (
            {"start": JULY_1, "symbols": "A", "universe": True},
            "universe= chooses among all symbols: leave out symbols=",
        ),
        ({"start": JULY_1, "adjustment": "all"}, "adjustment='all' is not accepted: give 'none',"),
    ],
)
def test_a_wrong_argument_says_what_is_accepted(
    data: read.Reader, given: dict[str, object], says: str
) -> None:
    with pytest.raises(ValueError, match="^" + says.replace("(", r"\(")):
        data.bars(**given)  # pyright: ignore[reportArgumentType]


def test_an_empty_database_is_named(empty_database: Database, store_database: Database) -> None:
    with pytest.raises(read.NotLoaded, match="universe discover"):
        read.connect(empty_database.url)
    with (
        read.connect(store_database.url) as data,
        pytest.raises(read.NotLoaded, match="historical"),
    ):
        data.bars(start=JULY_1)


def test_a_database_that_cannot_be_reached_is_a_data_error() -> None:
    with pytest.raises(read.DataError, match=r"database at u@127\.0\.0\.1:1/d"):
        read.connect("postgresql://u:secret@127.0.0.1:1/d")


def test_threads_share_a_reader(loaded: Connection, data: read.Reader) -> None:
    expected = data.bars("A", start=JULY_1)

    with ThreadPoolExecutor(8) as threads:
        found = [threads.submit(data.bars, "A", start=JULY_1) for _ in range(40)]

    assert all(one.result().equals(expected) for one in found)


def test_a_reader_goes_on_after_the_server_ended_its_connections(
    loaded: Connection, data: read.Reader
) -> None:
    data.bars("A", start=JULY_1)
    loaded.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    assert len(data.bars("A", start=JULY_1)) == 3


def test_a_closed_reader_says_so(data: read.Reader) -> None:
    data.close()

    with pytest.raises(ValueError, match="connect again"):
        data.symbols()


def test_gaps_are_past_actions_that_are_not_applied_and_may_be_true(
    loaded: Connection, data: read.Reader
) -> None:
    insert = (
        "INSERT INTO action_verdicts"
        " VALUES ('dividend', %s, %s, %s, %s, %s, %s, 1, 1, now(), now())"
    )
    verdicts = ("usable", "no_price", "doubtful", "announced", "removed", "twin")
    for n, verdict in enumerate(verdicts, start=1):
        applied = (JULY_2, 1.01) if verdict == "usable" else (None, None)
        loaded.execute(insert, (f"S{n}", JULY_2, n, verdict, *applied))
    loaded.execute(insert, ("S7", JULY_2, 7, "doubtful", JULY_2, 1.01))  # by the owner's word

    found = data.gaps().select("symbol", "verdict").rows()

    assert found == [("S2", "no_price"), ("S3", "doubtful")]
    assert data.gaps(["S1", 3])["symbol"].to_list() == ["S3"]
    assert data.gaps("S4").is_empty()


def test_lists_come_as_they_are_stored(loaded: Connection, data: read.Reader) -> None:
    loaded.execute("INSERT INTO splits VALUES ('A', '2024-07-03', 1, 4, NULL, now(), now())")
    loaded.execute(
        "INSERT INTO data_coverage VALUES"
        " ('A', '2024-07-01', '2024-07-03', 3, 0, '{[2024-07-01,2024-07-04)}', now())"
    )

    plant_dividend(loaded, "A", JULY_2)

    assert data.splits().rows() == [("A", JULY_3, 1.0, 4.0, None)]
    assert data.dividends().select("symbol", "ex_date", "n", "cash_amount", "currency").rows() == [
        ("A", JULY_2, 1, 0.5, "USD")
    ]
    assert data.gaps().rows() == [("dividend", "A", JULY_2, None, "unassigned")]
    assert data.coverage()["loaded"].to_list() == [[{"lower": JULY_1, "upper": date(2024, 7, 4)}]]
    assert data.symbols().schema["last_seen_at"] == pl.Datetime("us", "UTC")
