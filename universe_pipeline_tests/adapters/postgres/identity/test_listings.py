"""Listings in the database: built, refreshed by what changed, with ids that stay."""

from collections.abc import Iterable
from datetime import date, datetime

import psycopg
import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.identity import statements
from universe_pipeline.adapters.postgres.identity.counts import Identities, identities
from universe_pipeline.adapters.postgres.identity.listings import refresh
from universe_pipeline_tests.support.identities import day
from universe_pipeline_tests.support.made_listings import (
    FB,
    META,
    TODAY,
    list_active,
    load,
    said,
    trade,
)


def held(store: Connection) -> list[str]:
    """The listings as `FB 2023-01-03..2024-03-04 figi 1`, by security and time."""
    rows = store.execute(
        "SELECT symbol, valid_from, valid_to, evidence,"
        " dense_rank() OVER (ORDER BY security_id)"
        " FROM listings ORDER BY security_id, valid_from"
    )
    return [f"{symbol} {first}..{until or ''} {why} {n}" for symbol, first, until, why, n in rows]


def ids(store: Connection) -> dict[str, int]:
    return dict(store.execute("SELECT security_key, security_id FROM securities").fetchall())


@pytest.fixture
def renamed(store: Connection) -> Connection:
    """FB until 2024-03-01, META from 2024-03-04 on, both with their list."""
    load(store, "2023-01-03", "2024-07-09")
    trade(store, "FB", ("2023-01-03", "2024-03-01"))
    trade(store, "META", ("2023-06-01", "2023-09-29"), ("2024-03-04", "2024-07-09"))
    list_active(store, day("2024-03-01"), FB)
    list_active(store, day("2024-03-04"), META)
    list_active(store, TODAY, META)
    return store


RENAMED = [
    "FB 2023-01-03..2024-03-04 figi 1",
    "META 2024-03-04.. figi 1",
    "META 2023-06-01..2023-10-02 unknown 2",
]


def test_a_rename_is_one_security_and_the_holder_before_another(renamed: Connection) -> None:
    found = refresh(renamed)

    assert held(renamed) == RENAMED
    assert (found.judged, found.changed) == (2, 3)
    assert identities(renamed) == Identities(2, 3, 1)


def test_a_second_refresh_judges_nothing_and_a_whole_one_changes_nothing(
    renamed: Connection,
) -> None:
    refresh(renamed)
    before = ids(renamed)

    assert refresh(renamed).judged == 0
    assert (refresh(renamed, whole=True).changed, ids(renamed)) == (0, before)
    assert renamed.execute("SELECT count(*) FROM listing_revisions").fetchone() == (0,)


def test_another_session_of_the_same_symbols_is_nothing_to_judge(renamed: Connection) -> None:
    refresh(renamed)
    load(renamed, "2024-07-10", "2024-07-10")
    trade(renamed, "META", ("2023-06-01", "2023-09-29"), ("2024-03-04", "2024-07-10"))
    list_active(renamed, day("2024-07-10"), META)

    assert refresh(renamed).judged == 0
    assert held(renamed) == RENAMED


def test_a_symbol_that_leaves_the_list_is_listed_no_longer(renamed: Connection) -> None:
    refresh(renamed)
    list_active(renamed, day("2024-07-11"), {"symbol": "OTHER", "name": "Other"})

    assert refresh(renamed).judged == 2
    assert held(renamed)[1] == "META 2024-03-04..2024-07-10 figi 1"
    old = renamed.execute("SELECT symbol, valid_to FROM listing_revisions").fetchall()
    assert old == [("META", None)]


def test_evidence_that_comes_later_joins_and_the_younger_id_names_the_older(
    store: Connection,
) -> None:
    load(store, "2023-01-03", "2024-07-09")
    trade(store, "FB", ("2023-01-03", "2024-03-01"))
    trade(store, "META", ("2024-03-04", "2024-07-09"))
    list_active(store, TODAY, META)
    refresh(store)
    assert held(store) == ["FB 2023-01-03..2024-03-04 unknown 1", "META 2024-03-04.. figi 2"]
    before = ids(store)

    with store.transaction():
        statements.record_dated(store, said(FB), day("2024-02-01"), store_now(store))
    refresh(store)

    assert held(store) == ["FB 2023-01-03..2024-03-04 figi 1", "META 2024-03-04.. figi 1"]
    assert ids(store) == before
    merged = store.execute("SELECT security_key, merged_into FROM securities ORDER BY 1").fetchall()
    assert merged == [("FB@2023-01-03", None), ("META@2024-03-04", before["FB@2023-01-03"])]


def store_now(store: Connection) -> datetime:
    return store.execute("SELECT now()").fetchall()[0][0]


def test_the_key_is_that_of_the_first_build_whatever_is_loaded_later(store: Connection) -> None:
    load(store, "2024-01-02", "2024-07-09")
    trade(store, "A", ("2024-01-02", "2024-07-09"))
    refresh(store)
    load(store, "2023-01-03", "2023-12-29")
    trade(store, "A", ("2023-01-03", "2024-07-09"))

    refresh(store)

    assert held(store) == ["A 2023-01-03.. unknown 1"]
    assert list(ids(store)) == ["A@2024-01-02"]


def test_a_symbol_whose_bars_are_gone_keeps_its_id_for_when_they_return(store: Connection) -> None:
    load(store, "2024-01-02", "2024-07-09")
    trade(store, "A", ("2024-01-02", "2024-07-09"))
    refresh(store)
    before = ids(store)
    store.execute("DELETE FROM data_coverage")
    refresh(store)
    assert (held(store), ids(store)) == ([], before)

    trade(store, "A", ("2024-01-02", "2024-07-09"))
    refresh(store)

    assert (held(store), ids(store)) == (["A 2024-01-02.. unknown 1"], before)


def test_the_server_keeps_listings_of_a_symbol_apart(renamed: Connection) -> None:
    refresh(renamed)

    with pytest.raises(psycopg.errors.ExclusionViolation):
        renamed.execute(
            "INSERT INTO listings SELECT security_id, 'FB', '', NULL, NULL, '2024-01-01', NULL,"
            " NULL, 'owner', now() FROM securities ORDER BY security_id DESC LIMIT 1"
        )
    with pytest.raises(psycopg.errors.ExclusionViolation):
        renamed.execute(
            "INSERT INTO listings SELECT security_id, 'NEW', '', NULL, NULL, '2024-01-01', NULL,"
            " NULL, 'owner', now() FROM securities ORDER BY security_id LIMIT 1"
        )


def spans(store: Connection) -> list[str]:
    rows = store.execute(
        "SELECT symbol, name, first_on, last_on FROM listing_evidence"
        " WHERE source = 'dated_list' ORDER BY symbol, first_on"
    )
    return [f"{symbol} {name} {first:%m}-{last:%m}" for symbol, name, first, last in rows]


def record_months(store: Connection, months: Iterable[str]) -> None:
    """Dated lists of months: `1A` is January, of A under the name A; `1` an empty one."""
    for each in months:
        on = date(2024, int(each[0]), 1)
        rows = [{"symbol": "S", "name": name} for name in each[1:]]
        with store.transaction():
            statements.record_dated(store, said(*rows), on, store_now(store))


@pytest.mark.parametrize("order", ["123456", "654321", "246135", "361524", "162534"])
def test_dated_lists_say_the_same_in_any_order(store: Connection, order: str) -> None:
    lists = {"1": "1A", "2": "2A", "3": "3", "4": "4A", "5": "5B", "6": "6B"}

    record_months(store, [lists[each] for each in order])

    assert spans(store) == ["S A 01-02", "S A 04-04", "S B 05-06"]


def test_todays_list_begins_a_new_row_where_it_says_something_else(store: Connection) -> None:
    for number, name in enumerate("AABA", start=1):
        list_active(store, date(2024, 7, number), {"symbol": "S", "name": name})
    list_active(store, date(2024, 7, 5), {"symbol": "T", "name": "T"})
    list_active(store, date(2024, 7, 6), {"symbol": "S", "name": "A"})

    rows = store.execute(
        "SELECT name, extract(day FROM first_on)::int, extract(day FROM last_on)::int"
        " FROM listing_evidence WHERE symbol = 'S' ORDER BY first_on"
    ).fetchall()
    assert rows == [("A", 1, 2), ("B", 3, 3), ("A", 4, 4), ("A", 6, 6)]
