"""Adjusted bars by SQL: the same numbers as `domain/adjustment.py`, bit by bit."""

from datetime import date

import polars as pl
import psycopg
import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres.actions.steps import stored_steps
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.adjustment import Adjustment, adjust, factors
from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline_tests.support.made_actions import (
    DAYS,
    NOW,
    list_dividends,
    list_security,
    list_split,
    write_bars,
)
from universe_pipeline_tests.support.session_answers import Row

READ = """
    SELECT date, symbol, open, high, low, close, volume, vwap, transactions, price_factor,
           volume_factor, security_id
    FROM bars_adjusted(%s, %s, %s, %s, %s) ORDER BY symbol, date
    """
SPLIT_DAY, CUT, WHOLE = DAYS[60], DAYS[80], (DAYS[0], DAYS[-1])
ODD = (DAYS[10], DAYS[40], SPLIT_DAY, DAYS[61], CUT, DAYS[100])


@pytest.fixture
def market(store: Connection) -> Connection:
    """Two securities with odd splits and dividends, one of them renamed; and bars without one."""
    write_bars(store, "FB", DAYS[:80], {SPLIT_DAY: 3 / 7})
    write_bars(store, "META", DAYS[80:], {DAYS[100]: 1.3}, level=41.7)
    write_bars(store, "BBB", DAYS, {DAYS[40]: 1 / 49})
    write_bars(store, "ETF", DAYS)
    list_security(store, 1, ("FB", DAYS[0], CUT), ("META", CUT, None))
    list_security(store, 2, ("BBB", DAYS[0], None))
    list_split(store, "META", SPLIT_DAY, 7, 3)
    list_split(store, "META", DAYS[100], 10, 13)
    list_split(store, "BBB", DAYS[40], 49)
    for n, day in enumerate(ODD):
        list_dividends(store, "META" if n % 2 else "FB", day, 0.1 + n / 30)
        list_dividends(store, "BBB", day, 0.003 * (n + 1), 0.001)
    for symbol in ("FB", "META", "BBB", "ETF"):
        kind = "ETF" if symbol == "ETF" else "CS"
        store.execute(
            "INSERT INTO symbols (symbol, name, type, active, first_seen_at, last_seen_at)"
            " VALUES (%s, '', %s, true, now(), now())",
            (symbol, kind),
        )
    refresh_actions(store, NOW)
    return store


def read(store: Connection, *arguments: object) -> list[Row]:
    return store.execute(READ, arguments).fetchall()


def as_traded(store: Connection) -> pl.DataFrame:
    """All bars, each with its security."""
    rows = store.execute(
        "SELECT b.date, b.symbol, open, high, low, close, volume, vwap, transactions, security_id"
        " FROM daily_bars b LEFT JOIN listings l ON l.symbol = b.symbol AND b.date >= valid_from"
        " AND b.date < coalesce(valid_to, 'infinity') ORDER BY b.symbol, b.date"
    ).fetchall()
    return pl.DataFrame(rows, {**DATED_BAR_SCHEMA, "security_id": pl.Int64}, orient="row")


@pytest.mark.parametrize("as_of", [DAYS[-1], DAYS[61], SPLIT_DAY, DAYS[59], date(2030, 1, 1)])
@pytest.mark.parametrize("adjustment", Adjustment)
def test_sql_and_python_give_the_same_numbers_bit_by_bit(
    market: Connection, adjustment: Adjustment, as_of: date
):
    bars, steps = as_traded(market), stored_steps(market)
    known = bars.filter(pl.col("date") <= as_of)
    ours = adjust(bars, steps, adjustment, as_of).with_columns(
        factors(known, steps, adjustment, as_of)
    )

    theirs = read(market, adjustment.value, as_of, *WHOLE, None)

    columns = [*DATED_BAR_SCHEMA.names(), "price_factor", "volume_factor", "security_id"]
    assert steps.height == 2 * len(ODD)
    assert theirs == ours.select(columns).rows()
    if adjustment is not Adjustment.NONE and as_of >= DAYS[61]:
        assert len({row[9] for row in theirs}) > 2


def test_a_bar_after_the_last_action_is_exactly_as_traded(market: Connection):
    rows = read(market, "total_return", DAYS[-1], DAYS[100], DAYS[-1], ["META", "BBB"])

    assert {row[9:11] for row in rows} == {(1.0, 1.0)}


def test_the_view_is_the_function_by_splits_as_of_today_for_the_universe(market: Connection):
    today = date(2030, 1, 1)
    function = market.execute(
        "SELECT symbol, date, open, high, low, close, volume, vwap, transactions, source,"
        " price_factor, security_id FROM bars_adjusted('splits', %s, %s, %s)"
        " WHERE symbol <> 'ETF' ORDER BY symbol, date",
        (today, *WHOLE),
    ).fetchall()

    view = market.execute("SELECT * FROM adjusted_bars ORDER BY symbol, date").fetchall()

    assert len(view) == 2 * len(DAYS)
    assert view == function


def test_symbols_choose_bars_and_days_bound_them(market: Connection):
    rows = read(market, "splits", DAYS[30], DAYS[20], DAYS[40], ["FB", "none"])

    assert [row[:2] for row in rows] == [(day, "FB") for day in DAYS[20:31]]


def test_quarantined_sessions_are_left_out(market: Connection):
    market.execute("UPDATE session_loads SET status = 'quarantined' WHERE date = %s", (DAYS[1],))

    rows = read(market, "none", DAYS[2], DAYS[0], DAYS[2], ["ETF"])

    assert [row[0] for row in rows] == [DAYS[0], DAYS[2]]


@pytest.mark.parametrize("given", ["split", "", None])
def test_an_unknown_adjustment_is_refused_by_name(market: Connection, given: str | None):
    with pytest.raises(psycopg.DataError, match=r"adjustment is none, splits or total_return, not"):
        read(market, given, DAYS[30], DAYS[20], DAYS[40], ["FB"])


@pytest.mark.parametrize("table", ["dividend_snapshots", "listings"])
def test_without_dividends_or_listings_only_splits_are_adjusted_for(market: Connection, table: str):
    market.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    asked = (DAYS[30], DAYS[20], DAYS[40], ["FB"])

    with pytest.raises(psycopg.DataError, match="total_return needs listings, and"):
        read(market, "total_return", *asked)
    assert len(read(market, "splits", *asked)) == 11


def test_total_return_needs_every_window_of_dividends_since_the_first_day(market: Connection):
    market.execute("DELETE FROM dividend_snapshots")
    for first, last in [("2000-01-01", DAYS[10]), (DAYS[12], DAYS[24]), (DAYS[25], None)]:
        market.execute(
            "INSERT INTO dividend_snapshots VALUES (now(), %s, %s, 'test', 1, 1, 0, 0, 0, '')",
            (first, last),
        )

    since = market.execute("SELECT dividends_complete_since()").fetchone()
    whole = read(market, "total_return", DAYS[30], DAYS[25], DAYS[40], ["FB"])

    assert since == (DAYS[25],)
    assert len(whole) == 6
    with pytest.raises(psycopg.DataError, match=f"judged dividends since {DAYS[20]}"):
        read(market, "total_return", DAYS[30], DAYS[20], DAYS[40], ["FB"])


def test_the_server_reads_only_what_is_asked_for(market: Connection):
    """The function is inlined: its arguments bound what is scanned."""
    plan = "\n".join(
        row[0]
        for row in market.execute(
            "EXPLAIN SELECT close FROM bars_adjusted('total_return', '2024-07-01', '2024-06-27',"
            " '2024-06-28', ARRAY['FB'])"
        )
    )

    assert "Function Scan" not in plan
    assert "daily_bars_2024q2" in plan
    assert "daily_bars_2024q3" not in plan
    assert "split_factors" not in plan or "One-Time Filter" in plan


def test_until_listings_are_built_the_splits_of_the_ticker_apply_as_before(market: Connection):
    market.execute("DELETE FROM listings")
    tomorrow = market.execute("SELECT current_date + 2").fetchall()[0][0]
    list_split(market, "BBB", tomorrow, 3)
    before = market.execute(
        "SELECT b.symbol, b.date, b.close * coalesce(price_factor, 1),"
        " b.volume * coalesce(volume_factor, 1), coalesce(price_factor, 1)"
        " FROM daily_bars b LEFT JOIN split_factors s ON s.symbol = b.symbol AND b.date < until"
        " AND (since IS NULL OR b.date >= since) WHERE b.symbol <> 'ETF' ORDER BY 1, 2"
    ).fetchall()

    view = market.execute(
        "SELECT symbol, date, close, volume, price_factor FROM adjusted_bars ORDER BY 1, 2"
    ).fetchall()
    function = market.execute(
        "SELECT symbol, date, close, volume, price_factor FROM bars_adjusted('splits', %s, %s, %s)"
        " WHERE symbol <> 'ETF' ORDER BY 1, 2",
        (date(2030, 1, 1), *WHOLE),
    ).fetchall()

    assert view == before
    assert function == before
    assert {row[4] for row in view if row[0] == "BBB"} == {1 / 49, 1.0}


def test_until_listings_are_built_later_splits_do_not_count_as_of_an_earlier_day(
    market: Connection,
):
    market.execute("DELETE FROM listings")

    rows = read(market, "splits", DAYS[39], *WHOLE, ["BBB"])

    assert {row[9:11] for row in rows} == {(1.0, 1.0)}
    assert rows[-1][0] == DAYS[39]
