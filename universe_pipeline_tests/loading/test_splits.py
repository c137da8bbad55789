"""The splits: from whichever endpoint answers, whole or not at all, once in 24 hours."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import refused_answers
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures, record_failure
from universe_pipeline.adapters.postgres.reference.splits import (
    newest_splits,
    rejected_splits,
)
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import (
    CollapsedError,
    FailureKind,
    PermanentError,
    RetryableError,
    VendorError,
)
from universe_pipeline.loading.splits import refresh_splits
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine, stopped
from universe_pipeline_tests.support.session_answers import Row, versions
from universe_pipeline_tests.support.simulated_answers import ask

NEWER, OLDER = "/stocks/v1/splits", "/v3/reference/splits"


def stored(connection: Connection) -> list[Row]:
    return connection.execute(
        "SELECT symbol, execution_date::text, split_from, split_to, adjustment_type FROM splits"
        " ORDER BY 1, 2"
    ).fetchall()


def age(connection: Connection, hours: float) -> None:
    """Let every list be so much older."""
    connection.execute(
        "UPDATE split_snapshots SET taken_at = taken_at - make_interval(secs => %s)",
        (hours * 3600,),
    )


def listed(vendor: SimulatedVendor) -> list[Row]:
    """What the newer endpoint lists, as `stored` shows it."""
    return sorted(
        (
            row["ticker"],
            row["execution_date"],
            row["split_from"],
            row["split_to"],
            row["adjustment_type"],
        )
        for row in ask(vendor, f"{NEWER}?limit=5000")["results"]
    )


def asked(vendor: SimulatedVendor) -> tuple[int, int]:
    return vendor.count("splits"), vendor.count("older_splits")


def test_the_splits_are_every_row_of_the_newer_list(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    pages: list[int] = []

    found = refresh_splits(client, store, machine, run_id="run-1", on_page=pages.append)

    assert stored(store) == listed(vendor)
    assert len(stored(store)) > 20
    assert ("AAPL", "2020-08-31", 1, 4, "forward_split") in stored(store)
    assert not found.reused
    assert (found.snapshot.endpoint, found.snapshot.rejected) == (NEWER, 0)
    assert found.snapshot.rows == found.snapshot.added == len(stored(store))
    assert pages == [0, len(stored(store))]
    assert newest_splits(store) == found.snapshot


@pytest.mark.parametrize("refusal", ["404", "403_not_entitled"])
def test_where_the_newer_endpoint_is_not_there_the_older_one_is_asked(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, refusal: Any
):
    vendor.faults.add(refusal, endpoint="splits")

    found = refresh_splits(client, store, machine)

    vendor.faults.clear()
    assert asked(vendor) == (1, 1)
    assert stored(store) == [(*row[:4], None) for row in listed(vendor)]
    assert found.snapshot.endpoint == OLDER
    assert open_failures(store) == []


def test_a_firewalls_page_is_no_reason_to_ask_the_older_endpoint(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_firewall", endpoint="splits")

    with pytest.raises(RetryableError) as caught:
        refresh_splits(client, store, machine)

    assert caught.value.kind is FailureKind.NOT_THE_VENDOR
    assert asked(vendor)[1] == 0


def test_types_that_are_known_outlive_a_list_of_the_older_endpoint(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    refresh_splits(client, store, machine)
    before = stored(store)
    vendor.faults.add("404", endpoint="splits")

    again = refresh_splits(client, store, machine, force=True).snapshot

    assert stored(store) == before
    assert (again.added, again.changed, again.removed) == (0, 0, 0)


@pytest.mark.parametrize(
    ("hours", "force", "requests"),
    [(0, False, 1), (23.9, False, 1), (24.1, False, 2), (0, True, 2)],
)
def test_splits_are_used_again_for_24_hours(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    hours: float,
    force: bool,
    requests: int,
):
    refresh_splits(client, store, machine)
    age(store, hours)

    found = refresh_splits(client, store, machine, force=force)

    assert asked(vendor) == (requests, 0)
    assert found.reused is (requests == 1)


@pytest.mark.parametrize(
    ("fault", "kind", "error"),
    [
        ("500", "server_error", RetryableError),
        ("looping_next_url", "paging", RetryableError),
        ("foreign_next_url", "foreign_url", PermanentError),
        ("empty", "empty", RetryableError),
        ("results_null", "unexpected_shape", RetryableError),
        ("collapsed", "collapsed", CollapsedError),
        ("401_unknown_key", "unauthorized", PermanentError),
    ],
)
def test_a_failing_list_changes_nothing_and_is_reported(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    fault: Any,
    kind: str,
    error: type[VendorError],
):
    refresh_splits(client, store, machine)
    age(store, 25)
    before = versions(store, "splits"), versions(store, "split_snapshots")
    vendor.faults.add(fault)

    with pytest.raises(error):
        refresh_splits(client, store, machine, run_id="run-2")

    assert (versions(store, "splits"), versions(store, "split_snapshots")) == before
    (failure,) = open_failures(store)
    assert (failure.kind, failure.subject, failure.endpoint) == (kind, "splits", NEWER)


def test_when_neither_endpoint_is_there_nothing_changes_and_that_is_reported_once(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_not_entitled")

    with pytest.raises(PermanentError):
        refresh_splits(client, store, machine)

    assert asked(vendor) == (1, 1)
    assert [(one.kind, one.endpoint) for one in open_failures(store)] == [("not_entitled", OLDER)]


def test_a_first_list_that_is_empty_is_none(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("empty", endpoint="splits", times=1)
    with pytest.raises(RetryableError):
        refresh_splits(client, store, machine)

    found = refresh_splits(client, store, machine)

    assert not found.reused
    assert open_failures(store) == []


def test_success_closes_the_failures_of_splits_and_no_others(
    client: PolygonClient, store: Connection
):
    slow = RetryableError(FailureKind.TIMEOUT, "/v3/reference/tickers", "slow")
    for dataset in (Dataset.SPLITS, Dataset.SPLITS, Dataset.SYMBOLS):
        record_failure(store, slow, dataset)

    refresh_splits(client, store, machine)

    assert [each.dataset for each in open_failures(store)] == ["symbols"]


def test_rows_that_cannot_be_used_are_kept_with_their_rule_and_the_others_stored(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    expected = [row for row in listed(vendor) if row[0] != "NA"]
    vendor.faults.add("repeated_split", tickers=["TRUE"], days=0)
    bad = {"ticker": "NA", "execution_date": "2023-05-15", "split_from": 10, "split_to": 1}
    vendor.faults.add(
        "bad_rows",
        endpoint="splits",
        rows=[bad, bad | {"ticker": "MSFT", "split_to": 0}, bad | {"execution_date": "soon"}],
    )

    found = refresh_splits(client, store, machine)

    assert stored(store) == expected
    assert found.snapshot.rejected == 5
    seen = [(symbol, f"{day}", rule) for symbol, day, rule in rejected_splits(store)]
    assert sorted(seen) == [
        ("MSFT", "2023-05-15", "sides_positive"),
        ("NA", "2023-05-15", "duplicate"),
        ("NA", "2023-05-15", "duplicate"),
        ("NA", "None", "undecodable"),
        ("TRUE", "2012-08-06", "duplicate"),
    ]


def test_the_first_newer_list_may_lack_the_funds_that_the_older_one_had(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    """15 % fewer than the older list are believed once, and from then on compared with these."""
    vendor.faults.add("404", endpoint="splits", times=1)
    whole = refresh_splits(client, store, machine).snapshot.rows
    lacking = [row[0] for row in stored(store)[: whole * 15 // 100]]
    vendor.faults.add("missing", endpoint="splits", tickers=lacking)

    first = refresh_splits(client, store, machine, force=True).snapshot
    vendor.faults.add("collapsed", endpoint="splits")
    with pytest.raises(CollapsedError):
        refresh_splits(client, store, machine, force=True)

    assert first.rows < 0.9 * whole
    assert len(stored(store)) == first.rows


NOW = datetime.now(UTC)
DAYS = [NOW + timedelta(days=day) for day in range(4)]


def refreshed(client: PolygonClient, store: Connection, at: datetime = NOW) -> str | None:
    """Ask at any age of the splits; the message if the list is refused."""
    try:
        refresh_splits(client, store, stopped(at), force=True)
    except VendorError as error:
        return f"{error.kind}: {error.message}"
    return None


def keys_of(rows: list[Row]) -> set[str]:
    return {f"{symbol} {day}" for symbol, day, *_ in rows}


def test_a_short_list_is_believed_on_the_third_day(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    refresh_splits(client, store, machine)
    before = stored(store)
    gone = sorted({row[0] for row in before})[::3]
    vendor.faults.add("missing", endpoint="splits", tickers=gone)
    left = [row for row in before if row[0] not in gone]

    messages = [refreshed(client, store, at) for at in (DAYS[0], DAYS[0], DAYS[1])]
    kept = stored(store)
    missing = store.execute("SELECT missing FROM refused_answers ORDER BY id").fetchall()

    assert kept == before
    assert refreshed(client, store, DAYS[2]) is None
    assert stored(store) == left
    lacking = len(before) - len(left)
    for day, message in zip((1, 1, 2), messages, strict=True):
        assert message is not None
        assert message.startswith(
            f"collapsed: {len(left)} usable splits where there were {len(before)}; "
            f"{lacking} of the {len(before)} stored ones are missing. Nothing stored was changed."
        )
        assert f"this is day {day}; `universe approve splits --reason TEXT`" in message
    assert [set(row[0]) for row in missing] == [keys_of(before) - keys_of(left)] * 2
    assert open_failures(store) == []


def test_an_approved_list_of_splits_is_stored_when_it_comes_again(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    refresh_splits(client, store, machine)
    vendor.faults.add("collapsed", endpoint="splits")
    refused_first = refreshed(client, store)
    refused_answers.approve(store, refused_answers.SPLITS, "withdrawn", "ada")

    assert refused_first is not None
    assert refreshed(client, store) is None
    assert refused_answers.open_refusals(store) == {}


def test_a_stored_split_outlives_rows_about_it_that_cannot_be_used(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    refresh_splits(client, store, machine)
    before = stored(store)
    broken = {"ticker": "TRUE", "execution_date": "2012-08-06", "split_from": "eight"}
    vendor.faults.add("rewritten", endpoint="splits", rows=[broken])

    found = refresh_splits(client, store, machine, force=True).snapshot

    assert stored(store) == before
    assert (found.rejected, found.removed) == (1, 0)
    assert rejected_splits(store) == [("TRUE", date(2012, 8, 6), "undecodable")]


def test_a_ratio_of_one_next_to_a_split_removes_nothing(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    refresh_splits(client, store, machine)
    before = stored(store)
    one = {"ticker": "AAPL", "execution_date": "2020-08-31", "split_from": 1, "split_to": 1}
    vendor.faults.add("bad_rows", endpoint="splits", rows=[one])

    found = refresh_splits(client, store, machine, force=True).snapshot

    assert stored(store) == before
    assert (found.rejected, found.changed, found.removed) == (1, 0, 0)
    assert rejected_splits(store) == [("AAPL", date(2020, 8, 31), "duplicate")]


def test_a_list_of_which_over_a_tenth_cannot_be_used_is_refused(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    refresh_splits(client, store, machine)
    before = stored(store)
    bad = [{"ticker": f"BAD{n}", "execution_date": "2020-08-31"} for n in range(len(before) // 5)]
    vendor.faults.add("bad_rows", endpoint="splits", rows=bad)

    message = refreshed(client, store)

    assert stored(store) == before
    assert message is not None
    received = len(before) + len(bad)
    assert f"{len(bad)} of {received} rows cannot be used (sides_positive). Nothing" in message
