"""The rules about splits and dividends: the planted case is found, and its neighbour is not."""

from datetime import date

import pytest

from universe_pipeline.adapters.postgres.actions.overrides import Override, override
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.loading.quality.actions import judge_actions
from universe_pipeline_tests.support.made_actions import (
    DAYS,
    NOW,
    list_dividends,
    list_security,
    list_split,
    write_bars,
)
from universe_pipeline_tests.support.offenders import offenders


@pytest.fixture
def market(store: Connection) -> Connection:
    """A calm security whose price halves once, and one that spins something off."""
    write_bars(store, "AAA", DAYS, {DAYS[60]: 0.5})
    write_bars(store, "SPIN", DAYS, {DAYS[30]: 1 / 1.281})
    list_security(store, 1, ("AAA", DAYS[0], None))
    list_security(store, 2, ("SPIN", DAYS[0], None))
    list_split(store, "AAA", DAYS[60], 2)
    list_dividends(store, "AAA", DAYS[20], 0.5)
    return store


def found(store: Connection) -> dict[str, list[tuple[str | None, date | None, str]]]:
    """Offenders by rule, of the rules that are broken."""
    refresh_actions(store, NOW)
    return offenders(judge_actions(store))


def test_actions_that_prices_do_not_contradict_break_no_rule(market: Connection):
    list_split(market, "AAA", date(2001, 2, 3), 4)
    list_split(market, "GONE", DAYS[20], 4)
    list_split(market, "AAA", DAYS[40], 1.0056)

    assert found(market) == {}


def test_a_split_that_prices_do_not_show_is_found(market: Connection):
    list_split(market, "AAA", DAYS[20], 8, 1)
    list_split(market, "SPIN", DAYS[33], 1281, 1000)

    assert found(market)["splits_are_verified"] == [
        ("AAA", DAYS[20], "split 1:8: doubtful"),
        ("SPIN", DAYS[33], f"split 1000:1281: contradicted, applied on {DAYS[30]}"),
    ]


def test_a_split_that_stands_twice_is_found(market: Connection):
    list_split(market, "AAA", DAYS[66], 2)

    assert found(market) == {"splits_are_single": [("AAA", DAYS[66], "split 1:2: twin")]}


def test_a_dividend_over_the_price_or_without_a_drop_is_found(market: Connection):
    list_dividends(market, "AAA", DAYS[10], 240.0)
    list_dividends(market, "AAA", DAYS[11], 24.0)

    assert found(market) == {
        "dividends_are_below_the_price": [
            ("AAA", DAYS[10], "dividend 240: not_below_price"),
            ("AAA", DAYS[11], "dividend 24: doubtful"),
        ]
    }


def test_a_spin_off_that_is_listed_as_a_split_is_found(market: Connection):
    list_split(market, "SPIN", DAYS[30], 1.281)

    assert found(market) == {"split_ratio_is_unusual": [("SPIN", DAYS[30], "1.281 for 1")]}


def test_a_stock_dividend_may_have_any_ratio(market: Connection):
    list_split(market, "SPIN", DAYS[30], 1.281)
    market.execute("UPDATE splits SET adjustment_type = 'stock_dividend'")

    assert found(market) == {}


def test_a_split_and_a_dividend_of_one_day_are_found(market: Connection):
    list_dividends(market, "AAA", DAYS[60], 0.1)

    assert found(market) == {"a_split_and_a_dividend_share_a_day": [("AAA", DAYS[60], "")]}


def test_what_the_owner_corrected_is_settled(market: Connection):
    list_split(market, "AAA", DAYS[20], 8)
    list_split(market, "AAA", DAYS[66], 2)
    for day in (DAYS[20], DAYS[66]):
        override(market, Override("split", "AAA", day, "not in the filings", "me"))
    override(market, Override("split", "AAA", DAYS[90], "in the filing", "me", 1.0, 7.0))

    assert found(market) == {}
