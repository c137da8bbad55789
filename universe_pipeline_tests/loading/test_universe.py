"""Discovery: both lists, whole or not at all, once in 24 hours."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures
from universe_pipeline.adapters.postgres.reference.symbols import newest_snapshot
from universe_pipeline.domain.errors import AccessError, RetryableError, VendorError
from universe_pipeline.domain.moments import is_fresh
from universe_pipeline.loading.universe import Discovery, discover
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine, stopped
from universe_pipeline_tests.support.session_answers import Row, versions
from universe_pipeline_tests.support.simulated_answers import tickers


def universe(connection: Connection) -> list[Row]:
    return connection.execute(
        "SELECT symbol, name, type, primary_exchange, active FROM symbols ORDER BY symbol"
    ).fetchall()


def age(connection: Connection, hours: float) -> None:
    """Let the newest discovery be so old."""
    connection.execute(
        "UPDATE universe_snapshots SET taken_at = now() - make_interval(secs => %s)",
        (hours * 3600,),
    )


def test_the_universe_is_every_row_of_both_lists(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    listed: dict[str, Row] = {}
    for active in (False, True):
        for row in tickers(vendor, active=active):
            values = (row["name"], row.get("type"), row.get("primary_exchange"), active)
            listed[row["ticker"]] = (row["ticker"], *values)

    found = discover(client, store, machine, run_id="run-1")

    assert universe(store) == sorted(listed.values())
    assert (found.reused, found.snapshot.symbols) == (False, len(listed))
    assert found.snapshot.active == sum(row[-1] for row in listed.values())
    assert newest_snapshot(store) == found.snapshot


def test_progress_begins_with_the_question_and_counts_every_page(
    client: PolygonClient, store: Connection
):
    pages: list[int] = []

    found = discover(client, store, machine, on_page=pages.append)

    assert (pages[0], len(pages)) == (0, 3)
    assert sum(pages) == found.snapshot.symbols + found.superseded


@pytest.mark.parametrize(
    ("hours", "force", "requests"),
    [(0, False, 0), (23.9, False, 0), (24.1, False, 2), (0, True, 2)],
)
def test_a_universe_is_used_again_for_24_hours(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    hours: float,
    force: bool,
    requests: int,
):
    discover(client, store, machine)
    age(store, hours)
    before = vendor.count("tickers")

    found = discover(client, store, machine, force=force)

    assert vendor.count("tickers") - before == requests
    assert found.reused is (requests == 0)


def test_freshness_is_of_24_hours(client: PolygonClient, store: Connection):
    snapshot = discover(client, store, machine).snapshot

    assert not is_fresh(None, machine())
    assert is_fresh(snapshot.taken_at, machine())
    assert datetime.now(UTC) - snapshot.taken_at < timedelta(minutes=5)


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize(
    ("fault", "kind", "error"),
    [
        ("500", "server_error", RetryableError),
        ("malformed_json", "malformed_json", RetryableError),
        ("looping_next_url", "paging", RetryableError),
        ("foreign_next_url", "foreign_url", VendorError),
        ("401_unknown_key", "unauthorized", AccessError),
    ],
)
def test_a_failing_page_changes_nothing_and_is_reported(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    active: bool,
    fault: Any,
    kind: str,
    error: type[VendorError],
):
    discover(client, store, machine)
    age(store, 25)
    before = universe(store), versions(store, "symbols"), versions(store, "universe_snapshots")
    vendor.faults.add(fault, endpoint="tickers", active=active)

    with pytest.raises(error):
        discover(client, store, machine, run_id="run-2")

    after = universe(store), versions(store, "symbols"), versions(store, "universe_snapshots")
    assert after == before
    assert [(each.kind, each.symbol, each.day) for each in open_failures(store)] == [
        (kind, None, None)
    ]


def test_a_failed_discovery_does_not_start_the_24_hours_and_a_later_one_resolves_it(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("404", endpoint="tickers", active=False, times=1)
    with pytest.raises(VendorError):
        discover(client, store, machine)
    nothing = universe(store), newest_snapshot(store), len(open_failures(store))

    found = discover(client, store, machine)

    assert nothing == ([], None, 1)
    assert not found.reused
    assert open_failures(store) == []


@pytest.mark.parametrize("active", [True, False])
def test_a_list_without_one_row_is_no_list(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, active: bool
):
    discover(client, store, machine)
    before = universe(store)
    vendor.faults.add("empty", endpoint="tickers", active=active)

    with pytest.raises(VendorError):
        discover(client, store, machine, force=True)

    assert universe(store) == before
    assert len(open_failures(store)) == 1


def test_of_two_at_once_one_asks_and_the_other_uses_its_universe(
    client: PolygonClient, store_database: Database, vendor: SimulatedVendor
):
    vendor.faults.add("delay", endpoint="tickers", seconds=0.2)
    ready = Barrier(2)

    def discovering() -> Discovery:
        with store_database.connect() as connection:
            ready.wait(30)
            return discover(client, connection, machine)

    found = _at_once(discovering)

    assert sorted(each.reused for each in found) == [False, True]
    assert found[0].snapshot == found[1].snapshot
    assert vendor.count("tickers") == 2


def test_a_discovery_that_fails_lets_the_next_one_begin(
    client: PolygonClient, store: Connection, store_database: Database, vendor: SimulatedVendor
):
    vendor.faults.add("404", endpoint="tickers", times=1)
    with pytest.raises(VendorError):
        discover(client, store, machine)

    with store_database.connect() as other:
        assert not discover(client, other, machine).reused


NOW = datetime.now(UTC)
DAYS = [NOW + timedelta(days=day) for day in range(4)]


def listed_symbols(vendor: SimulatedVendor, *, active: bool) -> list[str]:
    return list(dict.fromkeys(row["ticker"] for row in tickers(vendor, active=active)))


def asked(client: PolygonClient, store: Connection, at: datetime = NOW) -> str | None:
    """Ask at any age of the universe; the message if the lists are refused."""
    try:
        discover(client, store, stopped(at), force=True)
    except VendorError as error:
        return f"{error.kind}: {error.message}"
    return None


def actives(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM symbols WHERE active").fetchone()
    return row[0] if row else 0


BARE = {
    "ticker": "MSFT",
    "name": "Example",
    "market": "stocks",
    "locale": "us",
    "active": True,
    "last_updated_utc": "2026-11-20T00:00:00Z",
}
OF_MSFT = (
    "SELECT name, type, primary_exchange, currency, cik, active, delisted_date::text,"
    " last_updated_utc::date::text FROM symbols WHERE symbol = 'MSFT'"
)


def test_fields_that_a_row_lacks_stay_and_are_counted_until_they_come_again(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, stopped(DAYS[0]))
    before = store.execute(OF_MSFT).fetchone()
    vendor.faults.add("rewritten", endpoint="tickers", rows=[BARE])
    lacking = [discover(client, store, stopped(at), force=True).snapshot for at in DAYS[1:3]]
    after = store.execute(OF_MSFT).fetchone()
    vendor.faults.clear()

    whole = discover(client, store, stopped(DAYS[3]), force=True).snapshot

    assert before is not None
    assert before[1:4] == ("CS", "XNAS", "usd")
    assert after == ("Example", *before[1:7], "2026-11-20")
    lost = {"type", "primary_exchange", "currency", "cik"}
    for snapshot in lacking:
        fields = snapshot.absent_fields or ()
        assert {field.column for field in fields} == lost
        assert {(field.count, tuple(field.symbols)) for field in fields} == {(1, ("MSFT",))}
    assert [snapshot.revised for snapshot in (*lacking, whole)] == [1, 0, 1]
    assert whole.absent_fields == ()
    revisions = store.execute(
        "SELECT name, type, believed_from, replaced_at FROM symbol_revisions ORDER BY replaced_at"
    ).fetchall()
    assert revisions == [
        (before[0], "CS", DAYS[0], DAYS[1]),
        ("Example", "CS", DAYS[1], DAYS[3]),
    ]


def test_a_symbol_that_moves_to_the_delisted_list_keeps_what_is_known(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    vendor.faults.add("missing", endpoint="tickers", active=True, tickers=["MSFT"])
    moved = {"ticker": "MSFT", "active": False, "delisted_utc": "2026-11-27T00:00:00Z"}
    vendor.faults.add("bad_rows", endpoint="tickers", active=False, rows=[moved])

    discover(client, store, stopped(DAYS[1]), force=True)

    found = store.execute(OF_MSFT).fetchone()
    assert found is not None
    assert found[0] == "Microsoft Corp"
    assert (*found[1:4], *found[5:7]) == ("CS", "XNAS", "usd", False, "2026-11-27")


@pytest.mark.parametrize("active", [True, False])
def test_a_list_without_a_third_changes_nothing_until_it_came_on_three_days(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, active: bool
):
    discover(client, store, machine)
    before = universe(store), newest_snapshot(store)
    there = set(listed_symbols(vendor, active=not active))
    known = [each for each in listed_symbols(vendor, active=active) if each not in there]
    gone = known[: len(known) // 3]
    vendor.faults.add("missing", endpoint="tickers", tickers=gone)

    messages = [asked(client, store, at) for at in (DAYS[0], DAYS[0], DAYS[1])]
    kept = universe(store), newest_snapshot(store)
    failures_then = open_failures(store)
    believed = asked(client, store, DAYS[2])

    assert kept == before
    assert believed is None
    name = "active" if active else "delisted"
    for day, message in zip((1, 1, 2), messages, strict=True):
        assert message is not None
        assert message.startswith(f"collapsed: the lists lack {len(gone)} of ")
        assert f" stored {name} symbols ({', '.join(gone[:3])} …). Nothing stored was" in message
        assert f"on 3 different days, and this is day {day}; " in message
        assert "`universe approve symbols --reason TEXT`" in message
    assert [one.kind for one in failures_then] == ["collapsed"] * 3
    assert open_failures(store) == []
    retired = store.execute(
        "SELECT count(*) FROM symbols WHERE NOT active AND delisted_date IS NULL"
        " AND symbol = ANY (%s)",
        (gone,),
    ).fetchone()
    assert retired == (len(gone),)
    assert store.execute("SELECT count(*) FROM refused_answers").fetchone() == (0,)


def test_thirds_that_differ_are_never_believed(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    known = listed_symbols(vendor, active=True)
    third = len(known) // 3

    for number, at in enumerate(DAYS):
        vendor.faults.clear()
        gone = known[third * (number % 3) :][:third]
        vendor.faults.add("missing", endpoint="tickers", tickers=gone)
        message = asked(client, store, at)
        assert message is not None
        assert f"this is day {2 if number == 3 else 1}; " in message

    assert actives(store) == len(known)


def test_a_whole_list_in_between_starts_the_count_again(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    gone = listed_symbols(vendor, active=True)[:80]
    messages: list[str | None] = []

    for at, lacks in zip(DAYS, (True, True, False, True), strict=True):
        vendor.faults.clear()
        if lacks:
            vendor.faults.add("missing", endpoint="tickers", tickers=gone)
        messages.append(asked(client, store, at))

    days = [message and message.partition("this is ")[2][:5] for message in messages]
    assert days == ["day 1", "day 2", None, "day 1"]


def test_an_approved_list_is_stored_when_it_comes_again_and_once(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    known = listed_symbols(vendor, active=True)
    vendor.faults.add("missing", endpoint="tickers", tickers=known[:80])
    asked(client, store)

    approved = refused_answers.approve(store, refused_answers.SYMBOLS, "withdrawn", "ada")
    again = asked(client, store)

    assert approved is not None
    assert again is None
    assert actives(store) == len(known) - 80
    assert refused_answers.open_refusals(store) == {}
    vendor.faults.add("missing", endpoint="tickers", tickers=known[80:160])
    assert asked(client, store) is not None


def swap_lists(vendor: SimulatedVendor, *, stating: bool) -> None:
    """Send each list where the other is asked for, with or without saying `active`."""
    lists = {active: tickers(vendor, active=active) for active in (True, False)}
    for active, rows in lists.items():
        sent = [row if stating else row | {"active": None} for row in rows]
        dates = {} if active else {"delisted_utc": "2020-01-02T00:00:00Z"}
        vendor.faults.add("empty", endpoint="tickers", active=not active)
        vendor.faults.add(
            "bad_rows", endpoint="tickers", active=not active, rows=[dates | row for row in sent]
        )


@pytest.mark.parametrize("stating", [True, False])
def test_two_lists_that_were_swapped_change_nothing(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, stating: bool
):
    discover(client, store, machine)
    before = universe(store)
    swap_lists(vendor, stating=stating)

    messages = [asked(client, store, at) for at in DAYS[:2]]

    assert all(messages)
    assert universe(store) == before


def test_active_rows_that_say_they_are_not_are_no_list_of_active_tickers(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    before = universe(store)
    rows = [row | {"active": False} for row in tickers(vendor, active=True)]
    vendor.faults.add("rewritten", endpoint="tickers", active=True, rows=rows)

    messages = [asked(client, store, at) for at in DAYS]

    assert universe(store) == before
    expected = f"empty: no usable row among {len(rows)} in the list of active tickers"
    assert messages == [expected] * 4


def test_an_empty_list_of_delisted_tickers_waits_to_be_believed(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    before = universe(store)
    delisted = set(listed_symbols(vendor, active=False)) - set(listed_symbols(vendor, active=True))
    vendor.faults.add("empty", endpoint="tickers", active=False)

    message = asked(client, store)

    assert universe(store) == before
    assert message is not None
    count = len(delisted)
    assert message.startswith(f"collapsed: the lists lack {count} of {count} stored delisted")


def test_a_page_that_was_lost_changes_nothing_though_nine_tenths_are_there(store: Connection):
    with SimulatedVendor(symbols=16_000) as many, PolygonClient(many.base_url, "key") as client:
        discover(client, store, machine)
        before = actives(store)
        many.faults.add("empty", endpoint="tickers", active=True, after=3, times=1)

        message = asked(client, store)

    assert before > 11_000
    assert message is not None
    # Some symbols stand twice on the lost page.
    assert re.search(r"the lists lack (9\d\d|1,000) of 12,\d{3} stored active symbols", message)
    assert actives(store) == before


def test_a_first_discovery_is_stored_however_short_it_is(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("missing", tickers=listed_symbols(vendor, active=True)[3:])

    assert asked(client, store) is None
    assert actives(store) == 3


NAMELESS = {"name": "A row without a ticker", "market": "stocks", "active": True}
OF_NO_USE: list[dict[str, Any]] = [
    {"ticker": "AAPL", "name": "Apple Inc.", "cik": 320193},
    {"ticker": "MSFT", "name": "Microsoft", "type": ["CS"]},
    {"ticker": "BRK.A", "name": "Berkshire", "active": False},
]


def test_a_row_that_cannot_be_used_costs_neither_the_list_nor_its_symbol(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    before = universe(store)
    vendor.faults.add("rewritten", endpoint="tickers", active=True, rows=OF_NO_USE)
    vendor.faults.add("bad_rows", endpoint="tickers", active=True, rows=[NAMELESS])

    found = discover(client, store, stopped(DAYS[1]), force=True, run_id="run-2").snapshot

    assert universe(store) == before
    assert (found.rejected, found.revised) == (4, 0)
    kept = store.execute(
        "SELECT symbol, active, rule, payload, run_id FROM rejected_symbols ORDER BY symbol"
    ).fetchall()
    assert kept == [
        ("AAPL", True, "undecodable", OF_NO_USE[0], "run-2"),
        ("BRK.A", True, "other_list", OF_NO_USE[2], "run-2"),
        ("MSFT", True, "undecodable", OF_NO_USE[1], "run-2"),
        (None, True, "no_ticker", NAMELESS, "run-2"),
    ]
    vendor.faults.clear()
    assert discover(client, store, stopped(DAYS[2]), force=True).snapshot.rejected == 0
    assert store.execute("SELECT count(*) FROM rejected_symbols").fetchone() == (0,)


def test_a_symbol_whose_row_lost_its_ticker_stays_active(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    before = universe(store)
    vendor.faults.add("missing", endpoint="tickers", active=True, tickers=["MSFT"])
    microsoft = NAMELESS | {"name": "Microsoft Corp"}
    vendor.faults.add("bad_rows", endpoint="tickers", active=True, rows=[microsoft])

    discover(client, store, stopped(DAYS[1]), force=True)

    assert universe(store) == before


def test_a_list_of_which_over_a_tenth_cannot_be_used_is_refused(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    discover(client, store, machine)
    before = universe(store)
    rows = [row | {"cik": 7} for row in tickers(vendor, active=False)[::5]]
    vendor.faults.add("rewritten", endpoint="tickers", active=False, rows=rows)

    message = asked(client, store, DAYS[1])

    assert universe(store) == before
    assert message is not None
    assert "rows of the list of delisted tickers cannot be used (undecodable). Nothing" in message


def _at_once(work: Callable[[], Discovery]) -> list[Discovery]:
    with ThreadPoolExecutor(2) as pool:
        return [done.result() for done in [pool.submit(work), pool.submit(work)]]
