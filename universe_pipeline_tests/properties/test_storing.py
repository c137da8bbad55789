"""All that can be decoded can be stored: no text or number of the vendor's stops a load."""

from datetime import UTC, datetime
from typing import Any, LiteralString

import httpx
import polars as pl
import psycopg
from hypothesis import assume, given
from hypothesis import strategies as st

from universe_pipeline.adapters.polygon.bars import grouped_bars
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.reference import ticker_page
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures, record_failure
from universe_pipeline.adapters.postgres.reference.symbols import newest_snapshot, swap_universe
from universe_pipeline.domain.bars import Bars
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import VendorError
from universe_pipeline.domain.symbols import resolve
from universe_pipeline.loading.sessions import Encoding, encode_session
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.mutations import broken_bytes, wrong_values
from universe_pipeline_tests.support.reused_database import emptied
from universe_pipeline_tests.support.session_answers import JULY_1, write_session
from universe_pipeline_tests.support.vendor_answers import as_sent, grouped, listed, row

URL = httpx.URL("https://api.massive.com/v2/aggs?adjusted=false")
AT = datetime(2024, 7, 10, 12, tzinfo=UTC)
T_JULY_1 = 1719864000000
"""2024-07-01 16:00 in New York."""

SYMBOL = st.sampled_from(
    ["A", "a", "B", "O'NEIL", '"', "\\N", "Ä€😀", "{}", "%s", "N\0L", "\x1b[1m"]
)
PRICE = st.sampled_from([None, 1.7976931348623157e308, 5e-324, -0.0, 9.5, 10, 10.0, -1e308])
BAR = st.builds(
    row,
    SYMBOL | st.text(st.characters(codec="utf-8"), max_size=33),
    t=st.just(T_JULY_1),
    o=PRICE,
    h=PRICE,
    l=PRICE,
    c=PRICE,
    v=st.sampled_from([None, 0, -1e308, 1e308, 0.000001, 13825995.0]),
    vw=st.sampled_from([None, ..., -1e308, 1e308, 5e-324]),
    n=st.sampled_from([None, ..., 0, -1, 2**53, 203.0]),
)
SESSION_ANSWER = st.lists(BAR, min_size=1, max_size=6).flatmap(
    lambda rows: wrong_values(grouped(row("SOUND", t=T_JULY_1), *rows))
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
TICKER = st.fixed_dictionaries(
    {"ticker": SYMBOL | TEXT},
    optional={
        "name": TEXT,
        "type": SYMBOL | TEXT,
        "primary_exchange": SYMBOL | TEXT,
        "active": st.booleans(),
        "cik": TEXT,
        "delisted_utc": st.sampled_from(["2019-07-09", "0001-01-01", "9999-12-31T23:59:59Z"]),
        "last_updated_utc": st.sampled_from(
            ["9998-12-31T23:59:59.999999Z", "0002-01-01T00:00:00Z"]
        ),
    },
)
LISTS = st.lists(TICKER, min_size=1, max_size=6).flatmap(
    lambda rows: st.just(as_sent(listed(*rows))) | wrong_values(listed(*rows))
)


@given(SESSION_ANSWER)
@examples(40)
def test_every_row_of_a_usable_answer_is_stored_or_rejected(reused_database: Database, body: bytes):
    bars = _bars(body)
    assume(bars is not None)
    assert bars is not None
    received = len(bars.frame) + len(bars.rejected)
    encoded, accepted = encode_session(bars, JULY_1, AT, Encoding())

    with emptied(reused_database) as store:
        write_session(store, encoded, "run")

        assert _one(store, "SELECT received, stored, rejected FROM session_loads") == (
            received,
            len(accepted),
            received - len(accepted),
        )
        stored = store.execute("SELECT symbol, open, volume, vwap, transactions FROM daily_bars")
        kept = accepted.select("symbol", "open", "volume", "vwap", "transactions")
        assert sorted(stored.fetchall()) == sorted(kept.rows())
        assert _one(store, "SELECT count(*), count(payload::text) FROM rejected_bars") == (
            (received - len(accepted),) * 2
        )


@given(LISTS)
@examples(40)
def test_every_list_that_is_usable_becomes_the_universe(reused_database: Database, body: bytes):
    page = _page(body)
    assume(page is not None)
    assert page is not None
    universe = resolve(page).symbols

    with emptied(reused_database) as store:
        swap_universe(store, universe, AT, None)

        listed_now = {symbol for (symbol,) in store.execute("SELECT symbol FROM symbols")}
        assert listed_now == set(universe["symbol"])
        snapshot = newest_snapshot(store)
        assert snapshot is not None
        assert sum(snapshot.by_type.values()) == len(universe)


@given(
    st.sampled_from([200, 302, 400, 429, 500]),
    broken_bytes(b'{"status":"ERROR","error":"\\u0000 [/b] O\'NEIL"}'),
    st.text(st.characters(max_codepoint=255), max_size=40),
)
@examples(25)
def test_every_failure_can_be_kept(
    reused_database: Database, status: int, body: bytes, header: str
):
    headers = httpx.Headers({"Location": header}, encoding="latin-1")
    error = _failure(Reply(URL, status, body, headers))

    with emptied(reused_database) as store:
        record_failure(store, error, Dataset.DAILY_BARS, day=JULY_1)
        (kept,) = open_failures(store)

    assert (kept.kind, kept.http_status, kept.message) == (error.kind, status, error.message)


def _bars(body: bytes) -> Bars | None:
    try:
        answer = grouped_bars(Reply(URL, 200, body), JULY_1)
    except VendorError:
        return None
    return answer if isinstance(answer, Bars) else None


def _page(body: bytes) -> pl.DataFrame | None:
    try:
        return ticker_page(Reply(URL, 200, body), active=True).frame
    except VendorError:
        return None


def _failure(reply: Reply) -> VendorError:
    try:
        grouped_bars(reply, JULY_1)
    except VendorError as error:
        return error
    raise AssertionError("an error was taken for an answer")


def _one(connection: psycopg.Connection, query: LiteralString) -> tuple[Any, ...] | None:
    return connection.execute(query).fetchone()
