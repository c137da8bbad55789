"""Identities against the truth of a world whose lists err: by today's lists, and by past ones."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.identity.listings import refresh
from universe_pipeline.domain.sessions import newest_closed
from universe_pipeline.loading import dated_lists
from universe_pipeline.loading.universe import discover
from universe_pipeline.simulator.truth import Case, Truth
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.planted_world import planted, sessions_until

NEWEST = date(2024, 7, 9)
NOW = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)

_HELD = """
    SELECT b.symbol, b.date, l.security_id, l.evidence, l.type
    FROM daily_bars b LEFT JOIN listings l
      ON l.symbol = b.symbol AND b.date >= l.valid_from
     AND b.date < coalesce(l.valid_to, 'infinity')
    """


@dataclass
class Compared:
    """Stored identities of bars, and the true ones."""

    joined: list[set[str]] = field(default_factory=list[set[str]])
    """True securities that have one id."""
    parted: list[str] = field(default_factory=list[str])
    """True securities with several ids, of which more than one is not unknown."""
    stocks: int = 0
    unknown: int = 0
    """Of the bars of common stocks."""


def compared(connection: Connection, truth: Truth) -> Compared:
    """Every bar has a listing; compare whose it is."""
    ids: dict[str, set[int]] = defaultdict(set)
    truly: dict[int, set[str]] = defaultdict(set)
    unknown: set[int] = set()
    found = Compared()
    for symbol, day, security_id, evidence, kind in connection.execute(_HELD):
        true = truth.security(symbol, day)
        assert true is not None
        assert security_id is not None
        ids[true].add(security_id)
        truly[security_id].add(true)
        is_unknown = evidence == "unknown"
        unknown |= {security_id} if is_unknown else set()
        found.stocks += kind == "CS"
        found.unknown += kind == "CS" and is_unknown
    found.joined = [each for each in truly.values() if len(each) > 1]
    found.parted = [true for true, held in ids.items() if len(held - unknown) > 1]
    return found


def test_with_lists_of_past_days_no_identity_is_wrong_and_few_are_unknown(
    command: Command, connection: Connection
) -> None:
    with (
        planted(command, NEWEST, symbols=600, now=lambda: NOW) as vendor,
        PolygonClient(vendor.base_url, "key") as client,
    ):
        days = sessions_until(NEWEST)[::-1]
        for every, most_unknown in ((21, 0.03), (1, 0.005)):
            lacking = dated_lists.missing(connection, days[::every])
            dated_lists.fetch(client, connection, lacking, lambda: NOW)
            refresh(connection)

            found = compared(connection, vendor.truth)

            assert (found.joined, found.parted) == ([], [])
            assert found.unknown / found.stocks < most_unknown


_IDS = "SELECT security_id, security_key, symbol FROM securities JOIN listings USING (security_id)"


def ids(connection: Connection) -> list[tuple[int, str, str]]:
    """Of each listing its security."""
    return connection.execute(f"{_IDS} ORDER BY 1, 3").fetchall()


def test_from_todays_lists_alone_one_unseen_change_is_missed_and_ids_stay_as_they_are(
    command: Command, connection: Connection, empty_database: Database
) -> None:
    now = datetime.now(UTC)
    newest = newest_closed(now - timedelta(hours=6))
    with (
        planted(command, newest) as vendor,
        PolygonClient(vendor.base_url, "key") as client,
    ):
        found = compared(connection, vendor.truth)
        unseen = {each.security for each in vendor.truth.listings if each.case in _UNSEEN}
        before = ids(connection)

        for _ in range(10):
            discover(client, connection, lambda: datetime.now(UTC), force=True)
            refresh(connection)
        command(
            *("historical", "--start", f"{newest}", "--reload"), POLYGON_BASE_URL=vendor.base_url
        )
        assert ids(connection) == before
        refresh(connection, whole=True)

    assert [each for each in found.joined if not each <= unseen] == []
    assert [each for each in found.parted if each not in unseen] == []
    assert ids(connection) == before
    there = {"UNIVERSE_DATABASE_URL": empty_database.url}
    assert command("backup", "universe.dump").code == 0
    assert command("restore", "universe.dump", **there).code == 0
    with empty_database.connect() as restored:
        assert ids(restored) == before
        assert refresh(restored, whole=True).changed == 0
        assert ids(restored) == before


_UNSEEN = {Case.COMPANY_CHANGED}
"""One symbol without a gap, and no list from before."""
