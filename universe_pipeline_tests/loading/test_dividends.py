"""Dividends: the history once by years, then by windows; each window whole or not at all."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.dividend_windows import reading
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures, record_failure
from universe_pipeline.adapters.postgres.reference.dividends import rejected_dividends
from universe_pipeline.adapters.postgres.reference.whole_lists import ListSnapshot
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import (
    CollapsedError,
    FailureKind,
    PermanentError,
    RetryableError,
    VendorError,
)
from universe_pipeline.domain.windows import Window, recent_window
from universe_pipeline.loading.dividends import refresh_dividends, requests_of
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine, stopped
from universe_pipeline_tests.support.session_answers import Row, versions
from universe_pipeline_tests.support.simulated_answers import ask

ENDPOINT = "/stocks/v1/dividends"
START = date(2022, 6, 1)
NOW = datetime.now(UTC).replace(day=10, hour=12)
"""So that the recent window stays the same for some days."""
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def refreshed(
    client: PolygonClient,
    store: Connection,
    at: datetime | None = None,
    *,
    start: date = START,
    **options: Any,
) -> list[ListSnapshot]:
    now = machine if at is None else stopped(at)
    return refresh_dividends(client, store, now, start, **options)


def stored(connection: Connection) -> list[Row]:
    return connection.execute(
        "SELECT symbol, ex_date::text, n, cash_amount, currency, distribution_type, frequency,"
        " declaration_date::text, record_date::text, pay_date::text FROM dividends ORDER BY 1, 2, 3"
    ).fetchall()


def revisions(connection: Connection) -> list[Row]:
    return connection.execute(
        "SELECT symbol, ex_date::text, n, cash_amount FROM dividend_revisions ORDER BY 1, 2, 3"
    ).fetchall()


def days_of(connection: Connection, symbol: str) -> list[str]:
    return [day for (own, day, *_) in stored(connection) if own == symbol]


def listed(vendor: SimulatedVendor, since: str = "2021-01-01") -> list[Row]:
    """What the endpoint lists, as `stored` shows it."""
    rows = ask(vendor, f"{ENDPOINT}?ex_dividend_date.gte={since}&limit=5000")["results"]
    names = ("cash_amount", "currency", "distribution_type", "frequency")
    dates = ("declaration_date", "record_date", "pay_date")
    seen: dict[tuple[str, str], int] = {}
    found: list[Row] = []
    for row in sorted(
        rows, key=lambda row: (row["ticker"], row["ex_dividend_date"], row["cash_amount"])
    ):
        day = (row["ticker"], row["ex_dividend_date"])
        seen[day] = seen.get(day, 0) + 1
        found.append((*day, seen[day], *(row.get(name) for name in (*names, *dates))))
    return found


def windows(connection: Connection) -> list[tuple[str, str | None]]:
    rows: list[Any] = connection.execute(
        "SELECT first_date::text, last_date::text FROM dividend_snapshots ORDER BY taken_at"
    ).fetchall()
    return rows


@pytest.fixture
def kept(client: PolygonClient, store: Connection, vendor: SimulatedVendor) -> list[Row]:
    """The stored dividends after the whole history."""
    refreshed(client, store, NOW)
    return stored(store)


def test_the_history_is_every_row_from_the_year_before_the_first_bar_on(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    seen: list[tuple[int, int, Window | None]] = []

    def note(done: int, due: int, window: Window | None) -> None:
        seen.append((done, due, window))

    taken = refreshed(client, store, run_id="run-1", on_window=note)

    assert stored(store) == listed(vendor)
    assert len(stored(store)) > 1_000
    assert max(day for _, day, *_ in stored(store)) > NOW.date().isoformat()
    assert sum(one.added for one in taken) == len(stored(store))
    assert {one.endpoint for one in taken} == {ENDPOINT}
    years = [first for first, _ in windows(store)]
    assert years == sorted(years, reverse=True)
    assert years[-1] == "2021-01-01"
    assert windows(store)[0][1] is None
    assert [step[:2] for step in seen] == [(n, len(taken)) for n in range(len(taken) + 1)]
    assert reading(store, START).complete_since(NOW) == date(2021, 1, 1)
    assert vendor.count("older_dividends") == 0


def test_two_dividends_of_a_day_are_both_stored(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    refreshed(client, store, start=date(2005, 1, 1))

    both = [row[2:6] for row in stored(store) if row[:2] == ("MSFT", "2004-11-15")]

    assert both == [(1, 0.08, "USD", "recurring"), (2, 3.0, "USD", "special")]


def test_exact_doubles_count_once_under_other_ids(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("repeated_dividend", tickers=["AAPL"], days=0)

    taken = refreshed(client, store)

    assert stored(store) == listed_without_faults(vendor)
    aapl = len(days_of(store, "AAPL"))
    assert sum(one.rejected for one in taken) == aapl > 4
    assert {(symbol, rule) for symbol, _, rule in rejected_dividends(store)} == {
        ("AAPL", "duplicate")
    }


def listed_without_faults(vendor: SimulatedVendor) -> list[Row]:
    vendor.faults.clear()
    return listed(vendor)


def test_within_a_day_nothing_is_asked_and_then_what_is_recent_and_three_months(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, kept: list[Row]
) -> None:
    asked = vendor.count("dividends")

    again = refreshed(client, store, NOW + timedelta(hours=23))
    next_day = refreshed(client, store, NOW + DAY)

    assert again == []
    assert vendor.count("dividends") == asked + 4
    assert len(next_day) == 4
    assert [first for first, _ in windows(store)[-3:]] == ["2021-01-01", "2021-02-01", "2021-03-01"]
    assert stored(store) == kept
    assert revisions(store) == []


def test_an_announced_and_canceled_dividend_leaves_nothing_but_its_revision(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    announced = {
        "ticker": "AAPL",
        "ex_dividend_date": (NOW.date() + 20 * DAY).isoformat(),
        "cash_amount": 9.5,
        "currency": "USD",
        "distribution_type": "special",
    }
    vendor.faults.add("bad_rows", endpoint="dividends", session=NOW.date(), rows=[announced])
    refreshed(client, store, NOW)
    vendor.faults.clear()

    taken = refreshed(client, store, NOW + DAY, run_id="run-2")

    assert stored(store) == listed(vendor)
    assert sum(one.removed for one in taken) == 1
    believed = store.execute(
        "SELECT symbol, cash_amount, believed_from, replaced_at, run_id FROM dividend_revisions"
    ).fetchall()
    assert believed == [("AAPL", 9.5, NOW, NOW + DAY, "run-2")]


def test_a_corrected_amount_and_a_moved_date_are_revisions(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, kept: list[Row]
) -> None:
    vendor.faults.add("changed_dividend", tickers=["AAPL"], factor=100)
    vendor.faults.add("moved_dividend", tickers=["SPY"], days=1)

    refreshed(client, store, NOW + HOUR, force=True)

    read_again = {window[0][:7] for window in windows(store)[-4:]}
    recent = windows(store)[-4][0]
    changed = [
        row[:4]
        for row in kept
        if row[0] in ("AAPL", "SPY") and (row[1] >= recent or row[1][:7] in read_again)
    ]
    assert changed
    assert revisions(store) == changed
    assert {(row[0], row[1]) for row in stored(store)} >= {
        (row[0], row[1]) for row in kept if row[0] not in ("AAPL", "SPY")
    }


def test_outside_the_windows_that_were_read_nothing_changes(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, kept: list[Row]
) -> None:
    vendor.faults.add("missing", endpoint="dividends", tickers=["SPY"])

    refreshed(client, store, NOW + DAY)

    gone = {row[1] for row in revisions(store)}
    read = ("2021-01", "2021-02", "2021-03", windows(store)[-4][0])
    assert {day for day in gone if day[:7] not in read[:3]} == {
        day for day in gone if day >= read[3]
    }
    assert "2023-03" in {day[:7] for day in days_of(store, "SPY")}


@pytest.fixture
def collapsing(vendor: SimulatedVendor, kept: list[Row]) -> list[Row]:
    """The stored rows of the recent window, of which half come from now on."""
    vendor.faults.add("collapsed", endpoint="dividends", session=NOW.date())
    first = str(recent_window(NOW).first)
    return [row for row in kept if row[1] >= first]


def test_a_collapsed_window_changes_nothing_and_the_others_go_on(
    client: PolygonClient, store: Connection, kept: list[Row], collapsing: list[Row]
) -> None:
    before = versions(store, "dividends")

    with pytest.raises(CollapsedError) as caught:
        refreshed(client, store, NOW + DAY, run_id="run-2")

    stands, left = len(collapsing), len(collapsing) // 2
    assert stands >= 50
    assert caught.value.message.startswith(
        f"dividends {recent_window(NOW)}: {left} rows where {stands} are stored; "
        "kept what is stored. The same answer is believed on 3 different days, and this is day 1; "
        "`universe approve dividends --reason TEXT`"
    )
    assert stored(store) == kept
    assert len(versions(store, "dividends")) == len(before)
    (failure,) = open_failures(store)
    assert (failure.kind, failure.dataset, failure.is_of_list) == ("collapsed", "dividends", True)
    assert [first for first, _ in windows(store)[-3:]] == ["2021-01-01", "2021-02-01", "2021-03-01"]


def test_a_collapsed_window_is_believed_on_the_third_day(
    client: PolygonClient, store: Connection, kept: list[Row], collapsing: list[Row]
) -> None:
    for days in (1, 2):
        with pytest.raises(CollapsedError):
            refreshed(client, store, NOW + days * DAY)
        assert stored(store) == kept
    refreshed(client, store, NOW + 3 * DAY)

    gone = len(collapsing) - len(collapsing) // 2
    assert len(stored(store)) == len(kept) - gone
    assert len(revisions(store)) == gone
    assert open_failures(store) == []
    assert refused_answers.open_refusals(store) == {}


def test_a_collapsed_window_that_comes_whole_again_ends_its_failure(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    kept: list[Row],
    collapsing: list[Row],
) -> None:
    with pytest.raises(CollapsedError):
        refreshed(client, store, NOW + DAY)
    vendor.faults.clear()

    taken = refreshed(client, store, NOW + DAY + HOUR)

    assert taken[0].rows == len(collapsing)
    assert windows(store)[-len(taken)][1] is None
    assert stored(store) == kept
    assert open_failures(store) == []
    assert refused_answers.open_refusals(store) == {}


def test_an_approved_window_is_stored_when_it_comes_again(
    client: PolygonClient, store: Connection, kept: list[Row], collapsing: list[Row]
) -> None:
    with pytest.raises(CollapsedError):
        refreshed(client, store, NOW + DAY)
    subject = refused_answers.of_window("dividends", recent_window(NOW))

    assert refused_answers.approve(store, subject, "withdrawn", "ada") is not None
    refreshed(client, store, NOW + DAY + HOUR)

    assert len(stored(store)) == len(kept) - len(collapsing) + len(collapsing) // 2
    assert refused_answers.open_refusals(store) == {}


def test_a_small_window_may_lose_rows_but_not_all_of_them(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, kept: list[Row]
) -> None:
    of_month = [row for row in kept if row[1].startswith("2021-01")]
    assert 4 < len(of_month) < 50
    vendor.faults.add("collapsed", endpoint="dividends", session=date(2021, 1, 15))
    vendor.faults.add("empty", endpoint="dividends", session=date(2021, 2, 15))

    with pytest.raises(CollapsedError) as caught:
        refreshed(client, store, NOW + DAY)

    assert caught.value.message.startswith("dividends 2021-02: 0 rows where ")
    assert len(revisions(store)) == len(of_month) - len(of_month) // 2


def test_an_empty_answer_is_never_believed_at_once(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, kept: list[Row]
) -> None:
    vendor.faults.add("empty", endpoint="dividends")

    with pytest.raises(CollapsedError):
        refreshed(client, store, NOW + DAY)

    assert stored(store) == kept


def test_a_history_without_any_row_is_a_failure_and_counts_as_unread(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("empty", endpoint="dividends")
    with pytest.raises(RetryableError) as caught:
        refreshed(client, store)
    vendor.faults.clear()

    refreshed(client, store)

    assert caught.value.kind is FailureKind.EMPTY
    assert stored(store) == listed(vendor)
    assert open_failures(store) == []


def test_an_interrupted_history_keeps_what_came_and_goes_on(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    def stop(done: int, _due: int, _window: Window | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refreshed(client, store, NOW, on_window=stop)
    first = windows(store)
    complete = reading(store, START).complete_since(NOW)
    asked = vendor.count("dividends")

    refreshed(client, store, NOW + HOUR)
    asked_again = vendor.count("dividends") - asked

    assert len(first) == 3
    assert complete == date.fromisoformat(first[-1][0])
    assert stored(store) == listed(vendor)
    assert len({first for first, _ in windows(store)}) == len(windows(store))
    assert asked_again == len(windows(store)) - 3


def test_a_failing_window_leaves_those_before_it_and_is_asked_for_again(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("500", endpoint="dividends", after=2)
    with pytest.raises(RetryableError):
        refreshed(client, store)
    vendor.faults.clear()
    (failure,) = open_failures(store)
    first = windows(store)

    refreshed(client, store)

    assert (failure.dataset, failure.kind) == ("dividends", "server_error")
    assert len(first) == 2
    assert stored(store) == listed(vendor)
    assert open_failures(store) == []


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [("404", 404, "not_found"), ("403_not_entitled", 403, "not_entitled")],
)
def test_a_plan_without_dividends_fails_them_by_a_message_of_its_own(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    fault: Any,
    status: int,
    kind: str,
) -> None:
    vendor.faults.add(fault, endpoint="dividends")

    with pytest.raises(PermanentError) as caught:
        refreshed(client, store)

    assert caught.value.message == (
        f"dividends: not in your plan (HTTP {status}). "
        'adjustment="splits" works; "total_return" needs them'
    )
    (failure,) = open_failures(store)
    assert (failure.kind, failure.http_status, failure.refuses_key) == (kind, status, False)
    assert (vendor.count("dividends"), vendor.count("older_dividends")) == (1, 0)
    assert stored(store) == []


def test_a_firewalls_page_says_nothing_about_the_plan(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("403_firewall", endpoint="dividends")

    with pytest.raises(RetryableError) as caught:
        refreshed(client, store)

    assert "not in your plan" not in caught.value.message


@pytest.mark.parametrize("fault", ["403_timeframe", "403_not_entitled"])
def test_what_the_plan_does_not_reach_is_reported_once_and_asked_for_by_force(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, fault: Any
) -> None:
    vendor.faults.add(fault, endpoint="dividends", session=date(2022, 7, 1))
    with pytest.raises(PermanentError) as caught:
        refreshed(client, store, NOW)
    asked = vendor.count("dividends")

    again = refreshed(client, store, NOW)
    next_day = refreshed(client, store, NOW + DAY)

    assert caught.value.kind is FailureKind.OUTSIDE_PLAN
    assert again == []
    assert (len(next_day), vendor.count("dividends")) == (4, asked + 4)
    assert [one.kind for one in open_failures(store)] == ["outside_plan"]
    assert reading(store, START).complete_since(NOW) == date(2023, 1, 1)
    vendor.faults.clear()
    refreshed(client, store, NOW + DAY + HOUR, force=True)
    assert stored(store) == listed(vendor)
    assert open_failures(store) == []


def test_success_closes_the_failures_of_dividends_and_no_others(
    client: PolygonClient, store: Connection
) -> None:
    slow = RetryableError(FailureKind.TIMEOUT, "/v3/reference/tickers", "slow")
    for dataset in (Dataset.DIVIDENDS, Dataset.SYMBOLS):
        record_failure(store, slow, dataset)

    refreshed(client, store)

    assert [each.dataset for each in open_failures(store)] == ["symbols"]


def test_rows_that_cannot_be_used_are_kept_with_their_rule_until_their_day_is_read_again(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    expected = listed(vendor)
    bad = {"ticker": "AAPL", "ex_dividend_date": "2023-03-15", "cash_amount": 0.5}
    rows = [
        bad | {"cash_amount": 0.0},
        bad | {"currency": "dollars", "ticker": "MSFT"},
        bad | {"ex_dividend_date": "soon"},
        bad | {"ex_dividend_date": "1999-03-15"},
        bad | {"cash_amount": "much"},
    ]
    vendor.faults.add("bad_rows", endpoint="dividends", session=date(2023, 6, 1), rows=rows)

    refreshed(client, store, NOW)

    assert stored(store) == expected
    seen = [(symbol, f"{day}", rule) for symbol, day, rule in rejected_dividends(store)]
    assert sorted(seen) == [
        ("AAPL", "2023-03-15", "cash_positive"),
        ("AAPL", "2023-03-15", "undecodable"),
        ("AAPL", "None", "outside_window"),
        ("AAPL", "None", "undecodable"),
        ("MSFT", "2023-03-15", "currency_form"),
    ]
    vendor.faults.clear()
    refreshed(client, store, NOW + DAY)
    assert len(rejected_dividends(store)) == 5
    for _ in read_all_again(client, store):
        pass
    assert rejected_dividends(store) == []


def read_all_again(client: PolygonClient, store: Connection) -> Iterator[int]:
    """Refresh daily, until each month was read again."""
    for days in range(2, 40):
        refreshed(client, store, NOW + days * DAY)
        yield days


def test_a_stored_day_stays_as_it_is_where_a_row_about_it_cannot_be_used(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    """One of a day's two dividends comes broken: neither is lost, and neither counts twice."""
    refreshed(client, store, NOW, start=date(2005, 1, 1))
    before = stored(store)
    broken = {
        "ticker": "MSFT",
        "ex_dividend_date": "2004-11-15",
        "cash_amount": "?",
    }
    whole = {**broken, "cash_amount": 3.0, "currency": "USD", "distribution_type": "special"}
    vendor.faults.add(
        "rewritten", endpoint="dividends", session=date(2004, 11, 15), rows=[broken, whole]
    )
    store.execute("DELETE FROM dividend_snapshots WHERE first_date = '2004-01-01'")

    refreshed(client, store, NOW)

    assert [row for row in stored(store) if row[:2] == ("MSFT", "2004-11-15")] == [
        row for row in before if row[:2] == ("MSFT", "2004-11-15")
    ]


def test_an_earlier_start_brings_the_years_before(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, kept: list[Row]
) -> None:
    taken = refreshed(client, store, NOW, start=date(2021, 1, 1))

    assert len(taken) == 1
    assert windows(store)[-1] == ("2020-01-01", "2020-12-31")
    assert stored(store) == listed(vendor, "2020-01-01")


def test_a_clock_that_was_ahead_makes_no_window_fresh_for_ever(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, kept: list[Row]
) -> None:
    refreshed(client, store, NOW + 400 * DAY)

    taken = refreshed(client, store, NOW + DAY)

    assert len(taken) >= 4


def test_the_cost_of_the_history_is_known_before(store: Connection) -> None:
    """About 140 pages at full size since 2000."""
    due = reading(store, date(2003, 9, 10)).due(datetime(2026, 11, 29, tzinfo=UTC))

    assert requests_of(due, datetime(2026, 11, 29, tzinfo=UTC)) == 2 + 4 + 24 * 6


def test_a_vendor_error_is_an_error_of_the_dividends(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("looping_next_url", endpoint="dividends")

    with pytest.raises(VendorError):
        refreshed(client, store)

    assert [one.subject for one in open_failures(store)] == ["dividends"]
