"""The rules about dividends: the planted case is found, and its neighbour is not."""

from datetime import UTC, date, datetime

import pytest

from universe_pipeline.adapters.postgres.actions.overrides import Override, override
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.loading.quality.dividends import judge_dividends
from universe_pipeline_tests.support.made_actions import (
    DAYS,
    NOW,
    list_dividends,
    list_security,
    list_split,
    write_bars,
)
from universe_pipeline_tests.support.offenders import offenders

LAST = DAYS[100]
PAID = (DAYS[20], DAYS[40], DAYS[60], DAYS[80])


@pytest.fixture
def payer(store: Connection) -> Connection:
    """A calm security that paid four times, and took another symbol after the second time."""
    write_bars(store, "OLD", DAYS[:50])
    write_bars(store, "NEW", DAYS[50:])
    list_security(store, 1, ("OLD", DAYS[0], DAYS[50]), ("NEW", DAYS[50], None))
    for day, cash in zip(PAID, (0.20, 0.22, 0.18, 0.30), strict=True):
        list_dividends(store, "OLD" if day < DAYS[50] else "NEW", day, cash)
    return store


def found(store: Connection) -> dict[str, list[tuple[str | None, date | None, str]]]:
    """Offenders by rule, of the rules that are broken."""
    refresh_actions(store, NOW)
    return offenders(judge_dividends(store))


@pytest.mark.parametrize(("cash", "is_unlike"), [(1.04, False), (1.06, True), (0.043, False)])
def test_an_amount_is_compared_with_the_median_of_the_last_four(
    payer: Connection, cash: float, *, is_unlike: bool
) -> None:
    list_dividends(payer, "NEW", LAST, cash)

    broken = [("NEW", LAST, f"{cash} a share after 0.21")]
    assert found(payer) == ({"dividends_resemble_the_ones_before": broken} if is_unlike else {})


def test_an_amount_in_shares_of_before_a_split_is_found(payer: Connection) -> None:
    payer.execute(
        "UPDATE daily_bars SET open = open / 10, close = close / 10, high = high / 10,"
        " low = low / 10, vwap = vwap / 10 WHERE date >= %s",
        (DAYS[90],),
    )
    list_split(payer, "NEW", DAYS[90], 10)
    list_dividends(payer, "NEW", LAST, 0.021)
    assert found(payer) == {}

    payer.execute(
        "UPDATE dividends SET cash_amount = 0.21, believed_from = now() WHERE ex_date = %s", (LAST,)
    )

    assert found(payer) == {
        "dividends_resemble_the_ones_before": [("NEW", LAST, "0.21 a share after 0.021")]
    }


def test_special_and_corrected_amounts_may_be_of_any_size(payer: Connection) -> None:
    list_dividends(payer, "NEW", LAST, 1.2)
    payer.execute("UPDATE dividends SET distribution_type = 'special' WHERE ex_date = %s", (LAST,))
    assert found(payer) == {}

    payer.execute("UPDATE dividends SET distribution_type = NULL WHERE ex_date = %s", (LAST,))
    assert found(payer) != {}

    override(payer, Override("dividend", "NEW", LAST, "in the filing", "me", cash=1.3))
    assert found(payer) == {}


def list_many(store: Connection, first: date, count: int) -> None:
    """One dividend each of so many symbols, on the four weeks from a day on."""
    store.execute(
        "INSERT INTO dividends (symbol, ex_date, n, cash_amount, fetched_at, believed_from)"
        " SELECT 'S' || n, %s::date + n %% 28, 1, 0.1, now(), now()"
        " FROM generate_series(1, %s) n",
        (first, count),
    )


@pytest.mark.parametrize(
    ("then", "now", "is_broken"),
    [(100, 74, True), (100, 75, False), (100, 150, False), (100, 151, True), (99, 1, False)],
)
def test_months_are_compared_with_a_year_before(
    store: Connection, then: int, now: int, *, is_broken: bool
) -> None:
    list_dividends(store, "AAA", date(2030, 1, 1))
    store.execute("UPDATE dividend_snapshots SET taken_at = '2024-10-01'")
    of_months = ((date(2022, 9, 1), 300), (date(2023, 9, 1), then), (date(2024, 9, 1), now))
    for first, count in of_months:
        list_many(store, first, count)

    detail = f"{now} in 2024-09, {then} a year before"
    assert found(store).get("dividends_are_as_many_as_usual", [])[1:] == (
        [(None, None, detail)] if is_broken else []
    )


def test_only_months_that_were_read_after_their_end_are_compared(store: Connection) -> None:
    list_dividends(store, "AAA", date(2023, 9, 1), 0.1)
    list_many(store, date(2023, 9, 2), 99)
    read = "UPDATE dividend_snapshots SET (taken_at, first_date) = (%s, %s)"
    broken = {"dividends_are_as_many_as_usual": [(None, None, "0 in 2024-09, 100 a year before")]}

    results: list[object] = []
    for day, since in ((30, "2000-01-01"), (31, "2023-09-02"), (31, "2023-09-01")):
        read_at = (
            datetime(2024, 9, day, tzinfo=UTC) if day < 31 else datetime(2024, 10, 1, tzinfo=UTC)
        )
        store.execute(read, (read_at, since))
        results.append(found(store))

    assert results == [{}, {}, broken]
