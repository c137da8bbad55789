"""Verdicts on the simulated vendor's planted splits and dividends, compared with what is true."""

from collections.abc import Generator
from datetime import date
from itertools import groupby

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.loading.dividends import refresh_dividends
from universe_pipeline.loading.sessions import Encoding, fetch_sessions
from universe_pipeline.loading.sessions import store as store_answer
from universe_pipeline.loading.splits import refresh_splits
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline.simulator.truth import TrueListing, Truth
from universe_pipeline_tests.conftest import NOON_AFTER
from universe_pipeline_tests.support.clocks import stopped
from universe_pipeline_tests.support.made_actions import list_security

DAYS = sessions_between(date(2024, 4, 15), date(2024, 7, 9))
"""Sixty sessions, up to the planted day."""

Verdicts = dict[tuple[str, date], tuple[str, date | None]]


@pytest.fixture
def vendor() -> Generator[SimulatedVendor]:
    with SimulatedVendor(symbols=50, now=lambda: NOON_AFTER, planted_until=DAYS[-1]) as planted:
        yield planted


def list_truly(connection: Connection, truth: Truth) -> None:
    """The securities as they truly are, so that verdicts alone are judged."""

    def security(listing: TrueListing) -> str:
        return listing.security

    companies = groupby(sorted(truth.listings, key=lambda x: (x.security, x.first)), security)
    for number, (_, listings) in enumerate(companies, 1):
        list_security(connection, number, *((x.symbol, x.first, x.end) for x in listings))


def verdicts(connection: Connection, kind: str) -> Verdicts:
    rows = connection.execute(
        "SELECT symbol, action_date, verdict, applied_on FROM action_verdicts WHERE kind = %s",
        (kind,),
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def test_every_planted_split_and_dividend_is_judged_right(
    client: PolygonClient, vendor: SimulatedVendor, store: Connection
) -> None:
    truth, now = vendor.truth, stopped(NOON_AFTER)
    list_truly(store, truth)
    make_quarters(store, DAYS)
    for answer in fetch_sessions(client, DAYS, Encoding(), now):
        store_answer(store, answer, None)
    refresh_splits(client, store, now)
    refresh_dividends(client, store, now, DAYS[0])

    refresh_actions(store, NOON_AFTER)

    splits, dividends = verdicts(store, "split"), verdicts(store, "dividend")
    for split in truth.splits:
        is_listed = split.is_listed and is_present(split.listed_until)
        verdict, applied_on = splits.get((split.symbol, split.execution_date), (None, None))
        assert verdict == (split.verdict if is_listed else None), split
        assert verdict in (None, "announced") or applied_on == split.applied_on, split
    for dividend in truth.dividends:
        verdict, _ = dividends.get((dividend.symbol, dividend.ex_date), (None, None))
        if is_present(dividend.listed_until):
            assert verdict == (dividend.verdict or "usable"), f"{dividend}: of two, one counts"
        else:
            assert verdict is None, dividend


def is_present(until: date | None) -> bool:
    """Whether a row that is listed until then is listed today."""
    return until is None or NOON_AFTER.date() < until
