"""The rules about identities: the planted case is found, and its neighbour is not."""

from datetime import date

import psycopg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.loading.quality.identities import judge_identities
from universe_pipeline_tests.support.identities import day
from universe_pipeline_tests.support.made_actions import (
    DAYS,
    NOW,
    list_security,
    list_split,
    write_bars,
)
from universe_pipeline_tests.support.made_listings import load, trade
from universe_pipeline_tests.support.offenders import offenders

SESSIONS = ("2024-01-02", "2024-06-28")


@pytest.fixture
def market(store: Connection) -> Connection:
    """Sessions of half a year, without symbols."""
    load(store, *SESSIONS)
    return store


def listing(
    store: Connection,
    number: int,
    symbol: str,
    since: str,
    until: str | None = None,
    *,
    evidence: str = "figi",
    type_: str | None = "CS",
    figi: str | None = None,
) -> None:
    """A listing, and its security where that is new."""
    store.execute(
        "INSERT INTO securities (security_id, security_key, share_class_figi, created_at)"
        " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, now()) ON CONFLICT DO NOTHING",
        (number, f"{symbol}@{since}", figi),
    )
    store.execute(
        "INSERT INTO listings (security_id, symbol, name, type, valid_from, valid_to, end_reason,"
        " evidence, believed_from) VALUES (%s, %s, '', %s, %s, %s, %s, %s, now())",
        (number, symbol, type_, since, until, until and "renamed", evidence),
    )


def found(store: Connection) -> dict[str, list[tuple[str | None, date | None, str]]]:
    """Offenders by rule, of the rules that are broken."""
    return offenders(judge_identities(store))


def test_bars_without_any_listing_built_break_no_rule(market: Connection) -> None:
    trade(market, "AAA", SESSIONS)

    assert found(market) == {}


def test_bars_of_listed_days_break_no_rule(market: Connection) -> None:
    trade(market, "FB", ("2024-01-02", "2024-03-28"))
    trade(market, "META", ("2024-04-01", "2024-06-28"))
    listing(market, 1, "FB", "2024-01-02", "2024-04-01")
    listing(market, 1, "META", "2024-04-01")
    listing(market, 2, "NONE", "2024-01-02")

    assert found(market) == {}


def test_bars_before_between_and_without_listings_are_counted_by_symbol(market: Connection) -> None:
    trade(market, "AAA", ("2024-01-02", "2024-03-28"), ("2024-04-01", "2024-06-28"))
    trade(market, "BBB", ("2024-01-02", "2024-01-05"))
    trade(market, "OK", SESSIONS)
    listing(market, 1, "AAA", "2024-01-04", "2024-03-01")
    listing(market, 1, "AAA", "2024-03-04", "2024-06-27")
    listing(market, 2, "OK", "2024-01-02")

    assert found(market) == {
        "bars_have_a_listing": [
            ("AAA", day("2024-01-02"), "5 bars until 2024-06-28 without a listing"),
            ("BBB", day("2024-01-02"), "4 bars until 2024-01-05 without a listing"),
        ]
    }


def test_a_listing_that_ends_on_a_closed_day_lacks_no_bar(market: Connection) -> None:
    trade(market, "AAA", ("2024-01-02", "2024-03-28"))
    listing(market, 1, "AAA", "2024-01-02", "2024-03-29")

    assert found(market) == {}


@pytest.mark.parametrize(
    ("until", "then", "is_broken"),
    [
        ("2024-01-05", "2024-01-05", False),
        ("2024-01-06", "2024-01-08", True),
        ("2024-01-08", "2024-01-08", True),
    ],
)
def test_unknown_bars_are_counted_by_session_and_warn_over_three_percent(
    market: Connection, until: str, then: str, *, is_broken: bool
) -> None:
    trade(market, "AAA", ("2024-01-02", "2024-05-23"))  # 100 sessions
    listing(market, 1, "AAA", "2024-01-02", until, evidence="unknown")
    listing(market, 2, "AAA", then)

    broken = found(market).get("identity_is_known")

    assert broken == ([(None, None, "4 of 100 bars (4.0%), most of AAA")] if is_broken else None)


def test_only_bars_of_the_universe_are_counted_as_unknown(market: Connection) -> None:
    for symbol in ("STOCK", "FUND", "BLANK", "IDLE"):
        trade(market, symbol, SESSIONS)
    trade(market, "IDLE", ("2024-01-02", "2024-01-04"))
    listing(market, 1, "STOCK", "2024-01-02")
    listing(market, 2, "FUND", "2024-01-02", evidence="unknown", type_="ETF")
    listing(market, 3, "BLANK", "2024-01-02", evidence="unknown", type_=None)
    listing(market, 4, "IDLE", "2024-01-02", evidence="unknown")
    assert found(market) == {}

    market.execute("SELECT set_config('universe.types', 'CS,ETF', false)")

    assert found(market) == {
        "identity_is_known": [(None, None, "127 of 251 bars (50.6%), most of FUND, IDLE")]
    }


@pytest.mark.parametrize(("last", "is_broken"), [("2024-01-30", False), ("2024-01-31", True)])
def test_unknown_bars_of_fewer_than_twenty_sessions_break_no_rule(
    store: Connection, last: str, *, is_broken: bool
) -> None:
    load(store, "2024-01-03", last)
    trade(store, "AAA", ("2024-01-03", last))
    listing(store, 1, "AAA", "2024-01-03", evidence="unknown")

    assert bool(found(store)) is is_broken


def test_securities_that_bear_one_figi_on_a_day_are_found(market: Connection) -> None:
    listing(market, 1, "AAA", "2024-01-02", "2024-04-01", figi="BBG001S5N8V8")
    listing(market, 2, "BBB", "2024-03-28", figi="BBG001S5N8V8")
    listing(market, 3, "CCC", "2024-01-02", figi="BBG001S5PQL7")

    assert found(market) == {
        "one_identifier_one_security": [
            ("AAA", day("2024-03-28"), "BBG001S5N8V8, which BBB bears too")
        ]
    }


def test_securities_may_bear_one_figi_one_after_the_other(market: Connection) -> None:
    listing(market, 1, "AAA", "2024-01-02", "2024-04-01", figi="BBG001S5N8V8")
    listing(market, 2, "BBB", "2024-04-01", figi="BBG001S5N8V8")

    assert found(market) == {}


def test_listings_that_overlap_are_refused_and_found_where_they_are_not(
    connection: Connection,
) -> None:
    listing(connection, 1, "AAA", "2024-01-02")
    listing(connection, 2, "BBB", "2024-01-02", "2024-04-01")
    with pytest.raises(psycopg.errors.ExclusionViolation), connection.transaction():
        listing(connection, 3, "AAA", "2024-05-01")
    connection.execute("ALTER TABLE listings DROP CONSTRAINT listings_symbol_once")
    connection.execute("ALTER TABLE listings DROP CONSTRAINT listings_security_once")

    listing(connection, 3, "AAA", "2024-02-01", "2024-02-05")
    listing(connection, 4, "AAA", "2024-05-01")
    listing(connection, 2, "CCC", "2024-03-28")

    assert sorted(found(connection)["listings_do_not_overlap"]) == [
        ("AAA", day("2024-02-01"), "of security 3, while an earlier listing holds"),
        ("AAA", day("2024-05-01"), "of security 4, while an earlier listing holds"),
        ("CCC", day("2024-03-28"), "of security 2, while an earlier listing holds"),
    ]


@pytest.mark.parametrize(
    ("price", "split", "is_found"), [(67.0, 1, False), (150.5, 1, True), (25.0, 4, False)]
)
def test_a_price_that_jumps_at_a_rename_is_found(
    store: Connection, price: float, split: int, *, is_found: bool
) -> None:
    last, first = DAYS[80], DAYS[82]
    write_bars(store, "FB", DAYS[:81])
    write_bars(store, "META", DAYS[82:], level=price)
    list_security(store, 1, ("FB", DAYS[0], DAYS[81]), ("META", first, None))
    list_split(store, "META", first, split)
    refresh_actions(store, NOW)

    broken = [("META", first, f"opens at {price / 100:.3g} of the last close of FB")]
    assert last < first
    assert found(store).get("renames_keep_the_price") == (broken if is_found else None)
