"""`universe listings`: what it shows, the owner's word, and what it refuses."""

import json
from datetime import timedelta

import pytest

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.identity.listings import refresh
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.identities import day
from universe_pipeline_tests.support.made_actions import list_split
from universe_pipeline_tests.support.made_listings import FB, META, list_active, load, trade

BECAUSE = ("--reason", "checked by hand")


@pytest.fixture
def built(database: Database, connection: Connection) -> Connection:
    """FB until 2024-03-01, META from the session after it, and the fund that had META before."""
    load(connection, "2023-01-03", "2024-07-09")
    trade(connection, "FB", ("2023-01-03", "2024-03-01"))
    trade(connection, "META", ("2023-06-01", "2023-09-29"), ("2024-03-04", "2024-07-09"))
    list_active(connection, day("2024-07-09"), META)
    refresh(connection)
    return connection


def ids(command: Command, symbol: str) -> list[int]:
    found = json.loads(command("listings", symbol, "--json").out)["listings"]
    return [each["security_id"] for each in found if each["symbol"] == symbol]


@pytest.mark.usefixtures("built")
def test_it_shows_the_securities_of_a_symbol_and_those_that_nothing_ties(command: Command) -> None:
    shown = command("listings", "META")
    unknown = command("listings", "--unknown", "--json")

    assert shown.code == 0
    assert "2023-10-02 (unknown)" in shown.out
    assert shown.out.endswith("3 listings of 3 securities, 2 unknown\n")
    assert [each["symbol"] for each in json.loads(unknown.out)["listings"]] == ["FB", "META"]
    status = json.loads(command("status", "--json").out)
    assert status["listings"] == {"securities": 3, "listings": 3, "unknown": 2}


def test_the_owner_joins_and_splits_and_no_evidence_overwrites_it(
    command: Command, built: Connection
) -> None:
    list_split(built, "FB", day("2023-06-01"), 4)
    joined = command("listings", "join", "FB", "META@2024-03-04", *BECAUSE)
    assert (joined.code, joined.err) == (0, "")
    assert joined.out.count("owner") == 2
    judged = built.execute("SELECT security_id FROM action_verdicts WHERE symbol = 'FB'")
    assert judged.fetchall() == [(ids(command, "META")[0],)]
    assert ids(command, "FB") == ids(command, "META")[:1]
    list_active(built, day("2024-07-09") + timedelta(days=1), {**META, "composite_figi": "OTHER"})
    refresh(built)
    assert ids(command, "FB") == ids(command, "META")[:1]

    parted = command("listings", "split", "META", "2024-03-04", *BECAUSE)

    assert parted.code == 0
    assert not set(ids(command, "FB")) & set(ids(command, "META"))
    kept = built.execute("SELECT kind, symbol, reason FROM listing_overrides ORDER BY id")
    assert kept.fetchall() == [
        ("join", "FB", "checked by hand"),
        ("split", "META", "checked by hand"),
    ]


def test_a_symbol_that_just_stopped_trading_can_be_joined_with_its_successor(
    command: Command, database: Database, connection: Connection
) -> None:
    load(connection, "2024-06-03", "2024-07-09")
    trade(connection, "OLD", ("2024-06-03", "2024-07-01"))
    trade(connection, "NEW", ("2024-07-02", "2024-07-09"))
    refresh(connection)
    ends = connection.execute("SELECT valid_to FROM listings WHERE symbol = 'OLD'").fetchall()

    joined = command("listings", "join", "OLD", "NEW", *BECAUSE)

    assert ends == [(None,)]
    assert (joined.code, joined.err) == (0, "")
    assert ids(command, "OLD") == ids(command, "NEW")
    assert "2024-07-02 (renamed)" in joined.out


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("join", "FB", "META"), "META means 2 securities: META@2023-06-01 ("),
        (("join", "FB", "META@2023-06-01"), "were listed on the same day: they are two"),
        (("join", "FB", "NONE"), "no listing of NONE"),
        (("join", "FB", "FB"), "FB and FB are one security, FB@2023-01-03"),
        (("join", "FB", "META@2020-01-02"), "META had no listing on 2020-01-02"),
        (("split", "FB", "2022-01-03"), "FB had no listing on 2022-01-03"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    command: Command, connection: Connection, words: tuple[str, ...], refusal: str
) -> None:
    ended = command("listings", *words, *BECAUSE)

    assert (ended.code, ended.out) == (2, "")
    assert refusal in ended.err
    assert connection.execute("SELECT count(*) FROM listing_overrides").fetchone() == (0,)


def test_the_owners_word_needs_a_reason(command: Command) -> None:
    assert "--reason is missing" in command("listings", "join", "FB", "META").err


def test_a_later_name_of_the_same_company_needs_no_word(built: Connection) -> None:
    list_active(built, day("2024-03-01"), FB)
    refresh(built)

    found = built.execute("SELECT count(DISTINCT security_id) FROM listings").fetchone()
    assert found == (2,)
