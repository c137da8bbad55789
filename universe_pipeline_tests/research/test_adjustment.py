"""Adjusted reads are the formulas of the domain, bit by bit."""

from datetime import date
from random import Random

import polars as pl
import pytest

from universe_pipeline import read
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline_tests.research.planted import plant_dividend, plant_listings, plant_step
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    JULY_9,
    answered,
    bar,
    write_session,
)

DAYS = (JULY_1, JULY_2, JULY_3, JULY_5, JULY_8, JULY_9)


@pytest.fixture
def security(store: Connection) -> int:
    """A splits 1:4 on July 3 and pays on July 8; B does nothing; C has no listing."""
    for day in DAYS:
        write_session(store, answered(day, bar("A"), bar("B"), bar("C", vwap=None)), None)
    ids = plant_listings(store, [(1, "A", "CS", JULY_1, None), (2, "B", "CS", JULY_1, None)])
    plant_step(store, ids[1], JULY_3, 4.0, 1.0)
    plant_step(store, ids[1], JULY_8, 4.0, 10.5 / 10.0)
    plant_dividend(store, "A", JULY_8)
    return ids[1]


def closes(frame: pl.DataFrame) -> list[float]:
    return frame.filter(symbol="A")["close"].to_list()


def test_splits_change_prices_and_volumes_before_them(security: int, data: read.Reader) -> None:
    found = data.bars("A", start=JULY_1, adjustment="splits")

    assert found["close"].to_list() == [10.5 / 4, 10.5 / 4, 10.5, 10.5, 10.5, 10.5]
    assert found["volume"].to_list() == [4000.0, 4000.0, 1000.0, 1000.0, 1000.0, 1000.0]
    assert found["transactions"].to_list() == [12] * 6


def test_total_return_changes_prices_by_dividends_as_well(security: int, data: read.Reader) -> None:
    found = data.bars("A", start=JULY_1, adjustment="total_return")

    paid = 1.0 / 1.05
    assert found["close"].to_list() == [
        *[10.5 * (0.25 * paid)] * 2,
        *[10.5 * (1.0 * paid)] * 2,
        10.5,
        10.5,
    ]
    assert found["volume"].to_list() == [4000.0, 4000.0, 1000.0, 1000.0, 1000.0, 1000.0]


def test_an_as_of_day_hides_later_actions_and_bars(security: int, data: read.Reader) -> None:
    found = data.bars("A", start=JULY_1, adjustment="total_return", as_of=JULY_5)

    assert found["date"].to_list() == list(DAYS[:4])
    assert found["close"].to_list() == [10.5 / 4, 10.5 / 4, 10.5, 10.5]


def test_factors_give_the_bars_as_traded(security: int, data: read.Reader) -> None:
    raw = data.bars(start=JULY_1)
    found = data.bars(start=JULY_1, adjustment="total_return", factors=True)

    for name in ("open", "close", "vwap"):
        off = (found[name] / found["price_factor"] - raw[name]).abs()
        assert off.drop_nulls().to_numpy().max() < 1e-14
    assert (
        found.filter(pl.col("symbol") != "A")
        .drop("price_factor", "volume_factor")
        .equals(raw.filter(pl.col("symbol") != "A"))
    )
    assert found.filter(pl.col("symbol") != "A")["price_factor"].unique().to_list() == [1.0]
    assert set(data.bars("A", JULY_1, factors=True)["price_factor"]) == {1.0}


@pytest.mark.parametrize("adjustment", ["splits", "total_return"])
def test_both_ways_read_alike(security: int, data: read.Reader, adjustment: str) -> None:
    chosen = data.bars(["A", "B", "C"], JULY_1, adjustment=adjustment, factors=True)  # pyright: ignore[reportArgumentType]
    everything = data.bars(None, JULY_1, adjustment=adjustment, factors=True)  # pyright: ignore[reportArgumentType]

    assert everything.sort("symbol", "date").equals(chosen)
    assert closes(everything) == data.closes("A", JULY_1, adjustment=adjustment)["A"].to_list()  # pyright: ignore[reportArgumentType]


def test_reads_are_those_of_sql_bit_by_bit(store: Connection, data: read.Reader) -> None:
    draw = Random(21)  # noqa: S311
    symbols = [f"S{n:02}" for n in range(20)]
    for day in DAYS:
        rows = [bar(symbol, vwap=draw.uniform(9, 11)) for symbol in symbols]
        write_session(store, answered(day, *rows), None)
    ids = plant_listings(store, [(n, one, "CS", JULY_1, None) for n, one in enumerate(symbols)])
    for security_id in list(ids.values())[:15]:
        split, dividend = 1.0, 1.0
        for day in sorted(draw.sample(DAYS, draw.randint(1, 5))):
            split, dividend = split * draw.uniform(0.1, 9), dividend * draw.uniform(1, 1.1)
            plant_step(store, security_id, day, split, dividend)
    plant_dividend(store, "S00", JULY_2)

    for adjustment in ("none", "splits", "total_return"):
        for as_of in (JULY_3, JULY_9):
            expected = store.execute(
                "SELECT date, symbol, security_id, open, high, low, close, volume, vwap,"
                " transactions, price_factor, volume_factor FROM bars_adjusted(%s, %s, %s, %s)"
                " ORDER BY 1, 2",
                (adjustment, as_of, JULY_1, JULY_9),
            ).fetchall()
            found = data.bars(start=JULY_1, adjustment=adjustment, as_of=as_of, factors=True)
            assert found.rows() == expected


def test_total_return_without_dividends_is_refused(
    store: Connection, security: int, data: read.Reader
) -> None:
    store.execute("DELETE FROM dividend_snapshots")

    assert len(data.bars("A", JULY_1, adjustment="splits")) == 6
    with pytest.raises(read.NoDividends, match=r"^no dividends stored: run `universe discover`$"):
        data.bars("A", JULY_1, adjustment="total_return")


def test_total_return_over_days_whose_dividends_were_not_read_is_refused(
    store: Connection, security: int, data: read.Reader
) -> None:
    store.execute("UPDATE dividend_snapshots SET first_date = %s", (JULY_3,))

    assert len(data.bars("A", JULY_3, adjustment="total_return"))
    with pytest.raises(
        read.NoDividends, match=r"^the dividends before 2024-07-03 are not all stored: run"
    ):
        data.bars("A", JULY_1, adjustment="total_return")


def test_total_return_waits_for_verdicts(
    store: Connection, security: int, data: read.Reader
) -> None:
    store.execute("DELETE FROM action_verdicts")

    with pytest.raises(read.NoDividends, match="no dividend judged yet: run"):
        data.bars("A", JULY_1, adjustment="total_return")


def test_adjusting_without_listings_is_refused(store: Connection, data: read.Reader) -> None:
    write_session(store, answered(JULY_1, bar("A")), None)

    with pytest.raises(read.NotLoaded, match=r"^no listings stored: run `universe discover`$"):
        data.bars("A", start=date(2024, 7, 1), adjustment="splits")
