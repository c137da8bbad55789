"""Which row of the reference lists speaks for a symbol."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from universe_pipeline.domain.symbols import SYMBOL_SCHEMA, Universe, resolve

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
        # Then the one that knows its type: CASY's first row had none.
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
