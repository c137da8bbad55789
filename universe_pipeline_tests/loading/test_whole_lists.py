"""A third reference list goes the way of the others: described, and nothing else written.

The list is of the vendor's IPOs, asked of a scripted vendor over HTTP and stored in PostgreSQL.
"""

from collections.abc import Generator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.lists import ListPage
from universe_pipeline.adapters.polygon.rows import Symbol, read_rows
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures, record_failure
from universe_pipeline.adapters.postgres.ledger.refused_answers import Subject
from universe_pipeline.adapters.postgres.reference.whole_lists import ListSnapshot, ListTables
from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import (
    CollapsedError,
    FailureKind,
    RetryableError,
    VendorError,
)
from universe_pipeline.domain.quality import Validated
from universe_pipeline.domain.reference_lists import ReferenceList
from universe_pipeline.loading.whole_lists import plain_list, refresh
from universe_pipeline_tests.loading.conftest import BRISK
from universe_pipeline_tests.support.clocks import stopped
from universe_pipeline_tests.support.scripted_vendor import (
    ScriptedVendor,
    answer,
    scripted_vendor,
)
from universe_pipeline_tests.support.session_answers import Row

MIGRATION = """
    CREATE TABLE ipos (
        symbol text COLLATE "C" PRIMARY KEY, listed_on date NOT NULL, price double precision,
        fetched_at timestamptz NOT NULL, believed_from timestamptz NOT NULL);
    CREATE TABLE ipo_revisions (
        symbol text COLLATE "C", listed_on date, price double precision,
        believed_from timestamptz, replaced_at timestamptz, run_id text);
    CREATE TABLE ipo_snapshots (
        taken_at timestamptz PRIMARY KEY, endpoint text, ipos integer, added integer,
        changed integer, removed integer, rejected integer, content_hash text, run_id text);
    CREATE TABLE rejected_ipos (
        symbol text COLLATE "C", listed_on date, rule text, payload jsonb,
        fetched_at timestamptz, run_id text);
    ALTER TABLE refused_answers DROP CONSTRAINT refused_answers_dataset_check;
    """
SCHEMA = pl.Schema({"symbol": pl.String(), "listed_on": pl.Date(), "price": pl.Float64()})
IPO_LIST = ReferenceList("ipos", SCHEMA, key=("symbol",), order=("listed_on", "symbol"))
IPO_TABLES = ListTables(
    of=IPO_LIST,
    snapshots="ipo_snapshots",
    revisions="ipo_revisions",
    rejected="rejected_ipos",
    rejected_by=("symbol", "listed_on"),
)
IPOS_LOCK = 4_711


class _Ipo(msgspec.Struct):
    ticker: Symbol
    listing_date: date
    final_issue_price: float | None = None


def ipo_page(reply: Reply) -> ListPage[RejectedRow]:
    header, rows = read_rows(reply, _Ipo)
    found = [(row.ticker, row.listing_date, row.final_issue_price) for row in rows.good]
    frame = pl.DataFrame(found, SCHEMA, orient="row")
    return ListPage(frame, rows.undecodable, header.next_url)


def validate(listed: pl.DataFrame) -> Validated:
    is_free = pl.col("price") <= 0
    rejected = tuple(
        RejectedRow("price_positive", symbol, {"ticker": symbol}, day)
        for symbol, day, _ in listed.filter(is_free).iter_rows()
    )
    return Validated(listed.filter(~is_free.fill_null(value=False)), rejected)


IPOS = plain_list(IPO_TABLES, IPOS_LOCK, "/vX/reference/ipos?limit=1000", ipo_page, validate)

NOW = datetime.now(UTC)
DAYS = [NOW + timedelta(days=day) for day in range(4)]
LISTED = [
    {"ticker": f"IPO{n:02}", "listing_date": f"2024-07-{n + 1:02}", "final_issue_price": 10.0 + n}
    for n in range(20)
]


@pytest.fixture
def vendor() -> Generator[ScriptedVendor]:
    with scripted_vendor() as serving:
        yield serving


@pytest.fixture
def client(vendor: ScriptedVendor) -> Generator[PolygonClient]:
    with PolygonClient(vendor.base_url, "key-of-tests", patience=BRISK) as connected:
        yield connected


@pytest.fixture
def migrated(connection: Connection) -> Connection:
    connection.execute(MIGRATION)
    return connection


def send(vendor: ScriptedVendor, rows: list[dict[str, Any]]) -> None:
    """Let the vendor answer with `rows`, on two pages."""
    half = len(rows) // 2
    second = f"{vendor.base_url}/vX/reference/ipos?cursor=2"
    vendor.script(
        answer({"status": "OK", "results": rows[:half], "next_url": second}),
        answer({"status": "OK", "results": rows[half:]}),
    )


def asked(
    client: PolygonClient, connection: Connection, at: datetime = NOW, *, force: bool = True
) -> ListSnapshot:
    found = refresh(IPOS, client, connection, stopped(at), force=force, run_id=f"run-{at:%d}")
    return found.snapshot


def refusal(client: PolygonClient, connection: Connection, at: datetime) -> str | None:
    try:
        asked(client, connection, at)
    except CollapsedError as error:
        return error.message
    return None


def stored(connection: Connection) -> list[Row]:
    rows = connection.execute("SELECT symbol, listed_on::text, price FROM ipos ORDER BY symbol")
    return rows.fetchall()


def as_stored(rows: list[dict[str, Any]]) -> list[Row]:
    return [tuple(row.values()) for row in rows]


def test_a_list_is_stored_whole_with_its_snapshot_and_used_again_for_a_day(
    client: PolygonClient, migrated: Connection, vendor: ScriptedVendor
) -> None:
    bad = {"ticker": "FREE", "listing_date": "2024-07-30", "final_issue_price": 0.0}
    send(vendor, [*LISTED, bad])

    snapshot = asked(client, migrated)
    again = asked(client, migrated, force=False)

    assert stored(migrated) == as_stored(LISTED)
    assert again == snapshot
    assert (snapshot.endpoint, snapshot.rows, snapshot.added) == ("/vX/reference/ipos", 20, 20)
    assert len(vendor.requests) == 2
    rejected = migrated.execute("SELECT symbol, listed_on::text, rule FROM rejected_ipos")
    assert rejected.fetchall() == [("FREE", "2024-07-30", "price_positive")]


def test_a_list_of_which_a_page_fails_changes_nothing_and_is_an_error_of_its_name(
    client: PolygonClient, migrated: Connection, vendor: ScriptedVendor
) -> None:
    send(vendor, LISTED)
    asked(client, migrated)
    second = f"{vendor.base_url}/vX/reference/ipos?cursor=2"
    first_page = answer({"status": "OK", "results": LISTED[:3], "next_url": second})
    vendor.script(first_page, answer({"status": "ERROR", "error": "down"}, status=500))
    other = RetryableError(FailureKind.TIMEOUT, "/vX/reference/ipos", "slow")
    record_failure(migrated, other, Dataset.SYMBOLS)

    with pytest.raises(VendorError):
        asked(client, migrated, DAYS[1])
    kept, failed = stored(migrated), open_failures(migrated)
    send(vendor, LISTED)
    asked(client, migrated, DAYS[2])

    assert kept == as_stored(LISTED)
    assert [(one.dataset, one.kind) for one in failed] == [
        ("symbols", "timeout"),
        ("ipos", "server_error"),
    ]
    assert failed[1].subject == "ipos"
    assert [one.dataset for one in open_failures(migrated)] == ["symbols"]


def test_what_a_later_list_corrects_is_kept_as_a_revision(
    client: PolygonClient, migrated: Connection, vendor: ScriptedVendor
) -> None:
    send(vendor, LISTED)
    asked(client, migrated)
    corrected = [LISTED[0] | {"final_issue_price": 99.0}, *LISTED[1:]]
    send(vendor, corrected)

    snapshot = asked(client, migrated, DAYS[1])

    assert stored(migrated) == as_stored(corrected)
    assert (snapshot.added, snapshot.changed, snapshot.removed) == (0, 1, 0)
    revised = migrated.execute(
        "SELECT symbol, price, believed_from, replaced_at FROM ipo_revisions"
    )
    assert revised.fetchall() == [("IPO00", 10.0, NOW, DAYS[1])]


def test_a_short_list_is_refused_until_it_came_on_three_days(
    client: PolygonClient, migrated: Connection, vendor: ScriptedVendor
) -> None:
    send(vendor, LISTED)
    asked(client, migrated)

    messages: list[str | None] = []
    for day in DAYS[1:]:
        send(vendor, LISTED[:15])
        messages.append(refusal(client, migrated, day))
        if day != DAYS[-1]:
            assert stored(migrated) == as_stored(LISTED)

    first, second, third = messages
    assert first is not None
    assert first.startswith(
        "15 usable ipos where there were 20; 5 of the 20 stored ones are missing. Nothing stored"
    )
    assert "this is day 1; `universe approve ipos --reason TEXT` accepts it at once" in first
    assert second is not None
    assert "this is day 2" in second
    assert third is None
    assert stored(migrated) == as_stored(LISTED[:15])
    gone = migrated.execute("SELECT symbol FROM ipo_revisions ORDER BY symbol").fetchall()
    assert gone == [(row["ticker"],) for row in LISTED[15:]]
    assert open_failures(migrated) == []


def test_an_approved_short_list_is_stored_when_it_comes_again(
    client: PolygonClient, migrated: Connection, vendor: ScriptedVendor
) -> None:
    send(vendor, LISTED)
    asked(client, migrated)
    send(vendor, LISTED[:15])
    assert refusal(client, migrated, NOW) is not None
    refused_answers.approve(migrated, Subject("ipos"), "withdrawn", "ada")
    send(vendor, LISTED[:15])

    assert refusal(client, migrated, NOW + timedelta(hours=1)) is None

    assert stored(migrated) == as_stored(LISTED[:15])
    assert refused_answers.open_refusals(migrated) == {}


def test_a_stored_row_outlives_a_row_about_it_that_cannot_be_used(
    client: PolygonClient, migrated: Connection, vendor: ScriptedVendor
) -> None:
    send(vendor, LISTED)
    asked(client, migrated)
    broken = {"ticker": "IPO00", "listing_date": "soon"}
    send(vendor, [broken, *LISTED[1:]])

    snapshot = asked(client, migrated, DAYS[1])

    assert stored(migrated) == as_stored(LISTED)
    assert (snapshot.rejected, snapshot.removed) == (1, 0)
