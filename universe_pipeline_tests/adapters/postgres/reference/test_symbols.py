"""The universe: swapped whole, remembered as a snapshot, counted by session."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import psycopg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.locks import DISCOVERY_LOCK, exclusive
from universe_pipeline.adapters.postgres.reference.symbols import (
    Aside,
    Snapshot,
    known_symbols,
    listed_counts,
    newest_snapshot,
    record_types,
    stored_types,
    swap_universe,
    unknown_symbols,
)
from universe_pipeline.domain.symbols import KNOWN_SCHEMA, SYMBOL_SCHEMA, RejectedTicker
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    Row,
    answered,
    bar,
    versions,
    write_session,
)

MONDAY = datetime(2024, 7, 1, 21, 0, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def listing(symbol: str, **changes: Any) -> dict[str, Any]:
    return {"symbol": symbol, "name": f"{symbol} Inc.", "type": "CS", "active": True} | changes


def universe(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SYMBOL_SCHEMA)


def known(connection: Connection) -> list[Row]:
    """Symbol, active, delisting date, first and last seen."""
    return connection.execute(
        "SELECT symbol, active, delisted_date, first_seen_at, last_seen_at"
        " FROM symbols ORDER BY symbol"
    ).fetchall()


def test_a_security_stands_with_all_that_the_lists_say(store: Connection):
    updated = datetime(2024, 6, 30, 1, 2, 3, 504046, tzinfo=UTC)
    whole = listing(
        "BRK.A",
        primary_exchange="XNYS",
        currency="usd",
        cik="0001067983",
        composite_figi="BBG000DWCFL4",
        share_class_figi="BBG001S6W2L9",
        delisted_date=date(2020, 2, 29),
        last_updated_utc=updated,
    )

    swap_universe(store, universe(whole), MONDAY, None)

    assert store.execute("SELECT * FROM symbols").fetchall() == [
        (
            *("BRK.A", "BRK.A Inc.", "CS", "XNYS", "usd", "0001067983", "BBG000DWCFL4"),
            *("BBG001S6W2L9", True, date(2020, 2, 29), updated, MONDAY, MONDAY),
        )
    ]


def test_what_the_lists_leave_out_is_null(store: Connection):
    swap_universe(store, universe(listing("A", type=None)), MONDAY, None)

    row = store.execute(
        "SELECT type, primary_exchange, currency, cik, composite_figi, share_class_figi,"
        " delisted_date, last_updated_utc FROM symbols"
    )
    assert row.fetchone() == (None,) * 8


def test_names_may_hold_anything(store: Connection):
    names = {"NA": "A\tB\nC\\N", "NULL": "\\N", "TRUE": "'; --", "nul": "A\0B", "Ä": "\x01 日本 🙂"}

    swap_universe(
        store,
        universe(*(listing(symbol, name=name) for symbol, name in names.items())),
        MONDAY,
        None,
    )

    found = store.execute("SELECT symbol, name FROM symbols ORDER BY symbol").fetchall()
    assert found == [
        *(("NA", "A\tB\nC\\N"), ("NULL", "\\N"), ("TRUE", "'; --")),
        *(("nul", "A\\u0000B"), ("Ä", "\x01 日本 🙂")),
    ]


def test_a_later_universe_replaces_the_values_and_keeps_when_a_symbol_was_first_seen(
    store: Connection,
):
    swap_universe(store, universe(listing("A", name="Old")), MONDAY, None)

    swap_universe(store, universe(listing("A", name="New"), listing("B")), TUESDAY, None)

    assert store.execute("SELECT name FROM symbols WHERE symbol = 'A'").fetchone() == ("New",)
    assert known(store) == [
        ("A", True, None, MONDAY, TUESDAY),
        ("B", True, None, TUESDAY, TUESDAY),
    ]


def test_a_symbol_in_neither_list_any_more_is_inactive_without_a_delisting_date(
    store: Connection,
):
    delisted = listing("OLD", active=False, delisted_date=date(2020, 1, 2))
    swap_universe(store, universe(listing("FB"), listing("META"), delisted), MONDAY, None)

    swap_universe(store, universe(listing("META")), TUESDAY, None)

    assert known(store) == [
        ("FB", False, None, MONDAY, MONDAY),
        ("META", True, None, MONDAY, TUESDAY),
        ("OLD", False, None, MONDAY, MONDAY),
    ]


def test_a_symbol_that_was_delisted_keeps_its_date(store: Connection):
    delisted = listing("OLD", active=False, delisted_date=date(2020, 1, 2))

    for taken_at in (MONDAY, TUESDAY):
        swap_universe(store, universe(listing("A"), delisted), taken_at, None)

    assert known(store)[1] == ("OLD", False, date(2020, 1, 2), MONDAY, TUESDAY)


def test_a_symbol_that_comes_back_is_active_again(store: Connection):
    for taken_at, rows in ((MONDAY, [listing("A")]), (TUESDAY, [listing("B")])):
        swap_universe(store, universe(*rows), taken_at, None)

    swap_universe(store, universe(listing("A")), TUESDAY + timedelta(days=1), None)

    assert known(store)[0] == ("A", True, None, MONDAY, TUESDAY + timedelta(days=1))


def test_a_snapshot_counts_by_type_exchange_and_activity(store: Connection):
    rows = [
        listing("A", primary_exchange="XNYS", cik="0001067983"),
        listing("B", primary_exchange="XNAS", composite_figi="BBG000DWCFL4"),
        listing("C", primary_exchange="XNAS", active=False),
        listing("D", type="ETF", primary_exchange=None),
        listing("E", type=None, primary_exchange="XNAS"),
    ]

    taken = swap_universe(store, universe(*rows), MONDAY, "run-1")

    assert taken == Snapshot(
        taken_at=MONDAY,
        symbols=5,
        active=4,
        by_type={"CS": 3, "ETF": 1, "": 1},
        by_exchange={"XNAS": 3, "XNYS": 1, "": 1},
        content_hash=taken.content_hash,
        without_figi=4,
        without_cik=4,
        revised=0,
        rejected=0,
        absent_fields=(),
    )
    assert newest_snapshot(store) == taken
    assert store.execute("SELECT run_id FROM universe_snapshots").fetchall() == [("run-1",)]


def test_the_hash_of_a_snapshot_distinguishes_universes(store: Connection):
    frames = [
        universe(listing("A"), listing("B")),
        universe(listing("B"), listing("A")),
        universe(listing("A"), listing("B", name="Other")),
        universe(listing("A"), listing("B", active=False)),
    ]

    hashes = [
        swap_universe(store, frame, MONDAY + timedelta(minutes=n), None).content_hash
        for n, frame in enumerate(frames)
    ]

    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_the_newest_snapshot_is_the_one_taken_last(store: Connection):
    first = newest_snapshot(store)
    for taken_at in (TUESDAY, MONDAY):
        swap_universe(store, universe(listing("A")), taken_at, None)

    newest = newest_snapshot(store)
    assert first is None
    assert newest is not None
    assert newest.taken_at == TUESDAY


def revisions(connection: Connection) -> list[Row]:
    """Symbol, type, active and delisting date before each change, and when they held."""
    return connection.execute(
        "SELECT symbol, type, active, delisted_date, believed_from, replaced_at"
        " FROM symbol_revisions ORDER BY symbol, replaced_at"
    ).fetchall()


def test_what_a_swap_changes_is_kept_with_when_it_held(store: Connection):
    delisted = listing("OLD", active=False, delisted_date=date(2020, 1, 2))
    swap_universe(store, universe(listing("A"), listing("B"), delisted), MONDAY, None)
    counts = [
        swap_universe(store, universe(*rows), MONDAY + timedelta(days=day), None).revised
        for day, rows in enumerate(
            [
                [listing("A", type="ETF")],  # B and OLD are in neither list any more
                [listing("A", type="ETF")],
                [listing("A", type="ETF", last_updated_utc=TUESDAY), listing("B")],
                [listing("A"), listing("B")],
            ],
            start=1,
        )
    ]

    days = [MONDAY + timedelta(days=day) for day in range(5)]
    assert counts == [3, 0, 1, 1]
    assert revisions(store) == [
        ("A", "CS", True, None, days[0], days[1]),
        ("A", "ETF", True, None, days[1], days[4]),
        ("B", "CS", True, None, days[0], days[1]),
        ("B", "CS", False, None, days[1], days[3]),
        ("OLD", "CS", False, date(2020, 1, 2), days[0], days[1]),
    ]


def test_symbols_that_nothing_is_sure_of_stay_and_rejected_rows_are_kept(store: Connection):
    delisted = listing("OLD", active=False, delisted_date=date(2020, 1, 2))
    swap_universe(store, universe(listing("A\\u0000"), listing("B"), delisted), MONDAY, None)
    before = known(store)
    row = RejectedTicker(True, "undecodable", "A\0", {"ticker": "A\0", "cik": 7})
    aside = Aside([row], {"A\0", "OLD"}, {"type": [f"S{n}" for n in range(30)], "cik": ["B"]})

    snapshot = swap_universe(store, universe(listing("B")), TUESDAY, "run-2", aside)

    assert [known(store)[0], known(store)[2]] == [before[0], before[2]]
    assert store.execute(
        "SELECT symbol, active, rule, payload, fetched_at, run_id FROM rejected_symbols"
    ).fetchall() == [
        (
            *("A\\u0000", True, "undecodable", {"ticker": "A\\u0000", "cik": 7}),
            *(TUESDAY, "run-2"),
        )
    ]
    assert (snapshot.revised, snapshot.rejected) == (0, 1)
    found = newest_snapshot(store)
    assert found is not None
    assert {(each.column, each.count, len(each.symbols)) for each in found.absent_fields or ()} == {
        ("type", 30, 20),
        ("cik", 1, 1),
    }
    swap_universe(store, universe(listing("B")), TUESDAY + timedelta(days=1), None)
    assert store.execute("SELECT count(*) FROM rejected_symbols").fetchone() == (0,)


def test_known_symbols_say_whether_the_newest_discovery_listed_them(store: Connection):
    swap_universe(store, universe(listing("A"), listing("B", type=None)), MONDAY, None)
    swap_universe(store, universe(listing("B", type=None)), TUESDAY, None)

    found = known_symbols(store).sort("symbol")

    assert found.schema == KNOWN_SCHEMA
    assert found.select("symbol", "type", "active", "listed").rows() == [
        ("A", "CS", False, False),
        ("B", None, True, True),
    ]


def test_a_swap_that_fails_changes_nothing(store: Connection):
    swap_universe(store, universe(listing("A"), listing("B")), MONDAY, None)
    before = known(store), versions(store, "universe_snapshots")

    with pytest.raises(psycopg.Error):
        swap_universe(store, universe(listing("A", name=None), listing("C")), TUESDAY, None)

    assert (known(store), versions(store, "universe_snapshots")) == before


def test_a_swap_is_seen_whole_or_not_at_all(store: Connection, store_database: Database):
    swap_universe(store, universe(listing("A"), listing("B")), MONDAY, None)

    with store.transaction():
        swap_universe(store, universe(listing("B"), listing("C")), TUESDAY, None)
        with store_database.connect() as other:
            during = known(other)

    assert during == [("A", True, None, MONDAY, MONDAY), ("B", True, None, MONDAY, MONDAY)]


def test_one_at_a_time_may_discover(store: Connection, store_database: Database):
    found: list[bool] = []

    def look() -> None:
        with store_database.connect() as other:
            row = other.execute("SELECT pg_try_advisory_lock(%s)", (DISCOVERY_LOCK,)).fetchone()
        found.append(row == (True,))

    def fail() -> None:
        with exclusive(store, DISCOVERY_LOCK):
            look()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    look()

    assert found == [False, True]


def test_types_are_those_that_were_recorded_first(connection: Connection):
    connection.execute("DELETE FROM universe_types")
    record_types(connection, ["CS", "ADRC", "CS"])
    record_types(connection, ["OS"])

    assert stored_types(connection) == ["ADRC", "CS"]


@pytest.mark.parametrize(
    "written", ["ADRC,OS", " OS , ADRC,,ADRC ", "it's,ADRC,OS,back\\slash,%s,$1"]
)
def test_a_sessions_own_types_come_before_the_recorded_ones(connection: Connection, written: str):
    connection.execute("SELECT set_config('universe.types', %s, false)", (written,))
    own = connection.execute("SELECT type FROM chosen_types ORDER BY type").fetchall()
    connection.execute("RESET universe.types")
    recorded = connection.execute("SELECT type FROM chosen_types ORDER BY type").fetchall()

    assert {("ADRC",), ("OS",)} <= set(own)
    assert len(own) == len(set(own))
    assert recorded == [("CS",)]


def test_each_database_object_filters_by_its_own_types(database: Database):
    types = ("CS", "it's", "back\\slash", "%s")

    with replace(database, types=types).connect() as one, database.connect() as other:
        own = one.execute("SELECT type FROM chosen_types ORDER BY type").fetchall()
        recorded = other.execute("SELECT type FROM chosen_types").fetchall()

    assert {row[0] for row in own} == set(types)
    assert recorded == [("CS",)]


def test_unknown_symbols_come_in_the_order_given(store: Connection):
    swap_universe(store, universe(listing("AAPL"), listing("OLD", active=False)), MONDAY, None)

    found = unknown_symbols(store, ["ZZZ", "AAPL", "aapl", "OLD", "x'y"])

    assert found == ["ZZZ", "aapl", "x'y"]


def test_listed_securities_are_counted_by_session(store: Connection):
    swap_universe(
        store,
        universe(
            listing("SINCE"),  # active; first bar on July 2
            listing("UNTIL", active=False, delisted_date=JULY_3),  # bars from July 1
            listing("NOBAR"),  # active, without a bar: listed as far as is known
            listing("GONE", active=False),  # last bar on July 2, no delisting date
            listing("FUND", type="ETF"),
            listing("LOST", active=False),  # neither a bar nor a date: unknown
        ),
        MONDAY,
        None,
    )
    sessions = {
        JULY_1: ["UNTIL", "GONE", "FUND"],
        JULY_2: ["SINCE", "UNTIL", "GONE", "FUND"],
        JULY_3: ["SINCE", "FUND"],
        JULY_5: ["SINCE"],
    }
    for day, symbols in sessions.items():
        write_session(store, answered(day, *map(bar, symbols)), None)
    cover(store)

    counts = listed_counts(store, [JULY_1, JULY_2, JULY_3, JULY_5, JULY_8])

    assert counts == {JULY_1: 3, JULY_2: 4, JULY_3: 2, JULY_5: 2, JULY_8: 2}


def test_nobody_is_listed_in_an_empty_universe(store: Connection):
    assert listed_counts(store, [JULY_1, JULY_2]) == {JULY_1: 0, JULY_2: 0}
