"""Which row of the reference lists speaks for a symbol, and what stays known of it."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from universe_pipeline.domain.symbols import (
    KNOWN_SCHEMA,
    OTHER_LIST,
    SYMBOL_SCHEMA,
    TICKER_RULES,
    UNDECODABLE,
    Merged,
    RejectedTicker,
    Shortage,
    TickerList,
    Universe,
    merge,
    resolve,
    shortage,
    unsure,
)

OLD, NEW = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, 0, 0, 0, 1, tzinfo=UTC)


def listed(symbol: str, **changes: Any) -> dict[str, Any]:
    return {"symbol": symbol, "name": "A name", "type": "CS", "active": True} | changes


def resolved(*rows: dict[str, Any]) -> Universe:
    return resolve(pl.DataFrame(list(rows), schema=SYMBOL_SCHEMA))


def test_symbols_come_out_sorted_bytewise_and_whole():
    one = listed("b", cik="1", delisted_date=date(2020, 1, 2), last_updated_utc=OLD)

    universe = resolved(one, listed("a"), listed("BCpC"), listed("BCPC"))

    assert universe.symbols["symbol"].to_list() == ["BCPC", "BCpC", "a", "b"]
    assert universe.symbols.schema == SYMBOL_SCHEMA
    assert universe.symbols.row(3) == (
        *("b", "A name", "CS", None, None, "1", None, None, True, date(2020, 1, 2), OLD),
    )
    assert universe.superseded.is_empty()


@pytest.mark.parametrize(
    ("speaks", "silent"),
    [
        # Active wins, however old.
        ({"active": True, "last_updated_utc": OLD}, {"active": False, "last_updated_utc": NEW}),
        ({"active": True}, {"active": False, "last_updated_utc": NEW}),
        # Then the newest, to the microsecond; one without a time is the oldest.
        ({"last_updated_utc": NEW}, {"last_updated_utc": OLD}),
        ({"last_updated_utc": OLD}, {}),
        (
            {"active": False, "last_updated_utc": NEW},
            {"active": False, "last_updated_utc": OLD},
        ),
        # Then the row with a type: CASY's first row had none.
        ({"last_updated_utc": OLD}, {"last_updated_utc": OLD, "type": None}),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_one_row_speaks_for_a_symbol(speaks: dict[str, Any], silent: dict[str, Any], turned: bool):
    rows = [listed("THC", name="speaks") | speaks, listed("THC", name="silent") | silent]

    universe = resolved(*(reversed(rows) if turned else rows))

    assert universe.symbols["name"].to_list() == ["speaks"]
    assert universe.superseded["name"].to_list() == ["silent"]


def test_of_rows_that_are_alike_the_first_speaks():
    same = [listed("THC", cik=cik, last_updated_utc=OLD) for cik in ("3", "1", "2")]

    universe = resolved(*same)

    assert universe.symbols["cik"].to_list() == ["3"]
    assert universe.superseded["cik"].to_list() == ["1", "2"]


def test_a_thousand_rows_that_are_alike_keep_their_order():
    universe = resolved(*(listed("THC", cik=str(n)) for n in range(1000)), listed("A"))

    assert universe.symbols["cik"].to_list() == [None, "0"]
    assert universe.superseded["cik"].to_list() == [str(n) for n in range(1, 1000)]


def test_empty_lists_are_an_empty_universe():
    assert resolved().symbols.schema == SYMBOL_SCHEMA


MSFT = listed(
    "MSFT",
    name="Microsoft Corp",
    primary_exchange="XNAS",
    currency="usd",
    cik="0000789019",
    composite_figi="BBG000BPH459",
    share_class_figi="BBG001S5TD05",
    last_updated_utc=OLD,
)
BARE = {"symbol": "MSFT", "name": "", "active": True}
NOVEMBER_28 = date(2026, 11, 28)


def merged(known: list[dict[str, Any]], *rows: dict[str, Any]) -> Merged:
    return merge(resolved(*rows), pl.DataFrame(known, schema=SYMBOL_SCHEMA))


def test_a_row_without_any_optional_field_keeps_every_known_value():
    found = merged([MSFT], BARE)

    assert found.symbols.rows(named=True) == [MSFT | {"delisted_date": None}]
    assert dict(found.absent) == {
        column: ["MSFT"]
        for column in (
            *("name", "type", "primary_exchange", "currency", "cik", "composite_figi"),
            *("share_class_figi", "last_updated_utc"),
        )
    }


@pytest.mark.parametrize(
    "nothing", [None, "", "  ", "\t", "null", "NULL", " None ", "nan", "N/A", "-", "undefined"]
)
@pytest.mark.parametrize("column", ["type", "primary_exchange", "cik", "composite_figi", "name"])
def test_a_text_that_names_no_value_is_absent(column: str, nothing: str | None):
    found = merged([MSFT], MSFT | {column: nothing or ""})

    assert found.symbols[column].to_list() == [MSFT[column]]
    assert dict(found.absent) == {column: ["MSFT"]}


def test_white_space_around_a_value_is_none_of_it():
    assert merged([], MSFT | {"type": " CS "}).symbols["type"].to_list() == ["CS"]


def test_a_present_value_replaces_the_known_one():
    found = merged([MSFT], MSFT | {"type": "TOKEN", "cik": "0000000007"})

    assert found.symbols.select("type", "cik").row(0) == ("TOKEN", "0000000007")
    assert found.absent == {}


def test_what_is_known_stays_on_the_move_to_the_delisted_list():
    gone = BARE | {"active": False, "delisted_date": date(2026, 11, 27)}

    found = merged([MSFT], gone)

    assert found.symbols.select("type", "primary_exchange", "active", "delisted_date").row(0) == (
        *("CS", "XNAS", False, date(2026, 11, 27)),
    )


@pytest.mark.parametrize(
    ("known", "row", "delisted"),
    [
        ({"active": False, "delisted_date": date(2020, 1, 2)}, {"active": False}, (2020, 1, 2)),
        (
            {"active": False, "delisted_date": date(2020, 1, 2)},
            {"active": False, "delisted_date": date(2020, 1, 3)},
            (2020, 1, 3),
        ),
        ({"active": False, "delisted_date": date(2020, 1, 2)}, {"active": True}, None),
        ({"active": True}, {"active": False}, None),
        ({"active": False}, {"active": True, "delisted_date": date(2020, 1, 2)}, None),
    ],
)
def test_a_known_delisting_date_stays_with_the_delisting(
    known: dict[str, Any], row: dict[str, Any], delisted: tuple[int, int, int] | None
):
    found = merged([listed("A") | known], listed("A") | row)

    assert found.symbols["delisted_date"].to_list() == [delisted and date(*delisted)]
    assert list(found.absent) == (
        ["delisted_date"] if delisted == (2020, 1, 2) and "delisted_date" not in row else []
    )


def test_where_nothing_is_known_a_superseded_row_of_the_company_fills_in():
    newer, older = listed("UST", last_updated_utc=NEW, type=None), listed("UST", cik="1")

    assert merged([], newer, older).symbols.select("type", "cik").row(0) == ("CS", "1")
    # What is known comes before it, and what either row has is not lost.
    both = merged([listed("UST", type="ETF", cik="1")], newer, older)
    assert both.symbols.select("type", "cik").row(0) == ("ETF", "1")
    assert both.absent == {}


@pytest.mark.parametrize("identifier", ["cik", "composite_figi"])
def test_a_superseded_row_of_another_company_fills_nothing(identifier: str):
    newer = listed("THC", last_updated_utc=NEW, primary_exchange=None, **{identifier: "1"})
    older = listed("THC", primary_exchange="XNYS", **{identifier: "2"})

    assert merged([], newer, older).symbols["primary_exchange"].to_list() == [None]


def test_losses_are_named_active_symbols_first():
    known = [listed("A", active=False), listed("B"), listed("C")]

    found = merged(known, *(row | {"type": None} for row in known))

    assert found.absent == {"type": ["B", "C", "A"]}


def stored(count: int, *, delisted: int = 0) -> pl.DataFrame:
    """Active symbols S0000 and on, and delisted ones D0000 and on."""
    rows = [listed(f"S{n:04}") for n in range(count)]
    rows += [
        listed(f"D{n:04}", active=False, delisted_date=date(2020, 1, 2)) for n in range(delisted)
    ]
    return pl.DataFrame([row | {"listed": True} for row in rows], schema=KNOWN_SCHEMA)


def judged(known: pl.DataFrame, rows: pl.DataFrame, *rejected: RejectedTicker) -> Shortage | None:
    given = rows.select(list(SYMBOL_SCHEMA))
    return shortage(both_lists(given, *rejected), resolve(given), known, NOVEMBER_28)


def both_lists(rows: pl.DataFrame, *rejected: RejectedTicker) -> list[TickerList]:
    """The rows, each in the list where it belongs."""
    return [
        TickerList(
            active,
            rows.filter(pl.col("active") == active),
            [row for row in rejected if row.active == active],
        )
        for active in (True, False)
    ]


@pytest.mark.parametrize(("lost", "short"), [(0, False), (10, False), (11, True), (100, True)])
@pytest.mark.parametrize("active", [True, False])
def test_a_list_that_lacks_over_a_tenth_is_short(lost: int, short: bool, active: bool):
    known = stored(100, delisted=100)
    gone = [f"{'S' if active else 'D'}{n:04}" for n in range(lost)]

    found = judged(known, known.filter(~pl.col("symbol").is_in(gone)))

    assert (found is not None) is short
    if found is not None:
        assert found.answer.missing == set(gone)
        assert (found.answer.rows, found.answer.expected) == (200 - lost, 200)
        assert found.answer.day == NOVEMBER_28
        name = "active" if active else "delisted"
        assert found.reasons[0].startswith(f"the lists lack {lost} of 100 stored {name} symbols (")


def test_a_whole_page_is_missed_though_nine_tenths_are_there():
    known = stored(4_000)

    scattered = judged(known, known.filter(pl.int_range(pl.len()) % 20 != 0))
    a_page = judged(known, known.slice(0, 1_000).vstack(known.slice(1_100)))

    assert scattered is None
    assert a_page is not None
    assert len(a_page.answer.missing) == 100


def test_an_active_symbol_is_there_where_it_was_delisted_with_a_date():
    known = stored(10)
    gone = known.with_columns(
        active=pl.lit(value=False), delisted_date=pl.lit(date(2026, 11, 27), pl.Date)
    )

    assert judged(known, gone) is None
    undated = judged(known, gone.with_columns(delisted_date=pl.lit(None, pl.Date)))
    assert undated is not None  # so stand all of two lists that were swapped


def test_delisted_symbols_that_the_list_had_dropped_before_are_not_expected():
    known = stored(10, delisted=10).with_columns(listed=pl.col("active"))

    assert judged(known, known.filter("active")) is None


def test_a_first_discovery_has_nothing_to_lack():
    assert judged(stored(0), stored(3)) is None


@pytest.mark.parametrize(("bad", "short"), [(10, False), (11, True)])
def test_a_list_of_which_over_a_tenth_cannot_be_used_is_short(bad: int, short: bool):
    rejected = [RejectedTicker(True, UNDECODABLE, f"X{n}", {}) for n in range(bad)]

    found = judged(stored(0), stored(20), *rejected)

    assert (found is not None) is short
    if found is not None:
        assert found.reasons == (
            "11 of 31 rows of the list of active tickers cannot be used (undecodable)",
        )
        assert found.answer.missing == {f"X{n}" for n in range(11)}


@pytest.mark.parametrize(
    ("usable", "rejected", "kept"),
    [
        # Named, and nothing else about it: it stays.
        ([], ("A", True, UNDECODABLE), {"A"}),
        ([], ("A", False, UNDECODABLE), {"A"}),
        # A usable row speaks, unless the unusable one says that the symbol is active.
        ([("A", True)], ("A", True, UNDECODABLE), set[str]()),
        ([("A", True)], ("A", False, UNDECODABLE), set[str]()),
        ([("A", False)], ("A", False, UNDECODABLE), set[str]()),
        ([("A", False)], ("A", True, UNDECODABLE), {"A"}),
        ([("A", False)], ("A", True, OTHER_LIST), set[str]()),
        # Not known: nothing can stay.
        ([], ("NEW", True, UNDECODABLE), set[str]()),
    ],
)
def test_a_symbol_stays_as_it_is_where_the_row_about_it_cannot_be_used(
    usable: list[tuple[str, bool]], rejected: tuple[str, bool, str], kept: set[str]
):
    symbol, active, rule = rejected
    rows = pl.DataFrame([listed(one, active=is_active) for one, is_active in usable], SYMBOL_SCHEMA)
    bad = RejectedTicker(active, rule, symbol, {"ticker": symbol})

    assert unsure(both_lists(rows, bad), pl.DataFrame([listed("A")], SYMBOL_SCHEMA)) == kept


@pytest.mark.parametrize(
    "payload", [{"name": "A name", "cik": "1"}, {"composite_figi": "BBG000BPH459"}]
)
def test_a_row_without_a_ticker_is_about_the_symbol_of_its_name_or_figi(payload: dict[str, str]):
    known = pl.DataFrame(
        [listed("A", composite_figi="BBG000BPH459"), listed("B"), listed("C", name="Another")],
        SYMBOL_SCHEMA,
    )
    nameless = RejectedTicker(True, "no_ticker", None, payload)

    assert unsure(both_lists(known.filter(symbol="B"), nameless), known) == {"A"}


def test_the_rules_for_rows_are_the_documented_ones():
    assert list(TICKER_RULES) == ["no_ticker", "undecodable", "other_list"]
