"""A database remembers which vendor filled it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import LiteralString

import pytest

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.ledger.fetch_errors import open_failures, record_failure
from universe_pipeline.adapters.postgres.ledger.session_loads import record_empty_answer
from universe_pipeline.adapters.postgres.ledger.vendor import claim_database
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, PermanentError, WrongVendorError
from universe_pipeline_tests.support.session_answers import JULY_1

FILLED: dict[str, LiteralString] = {
    "bars": "INSERT INTO session_loads (date, status, fetched_at)"
    " VALUES ('2024-07-01', 'quarantined', now())",
    "a symbol's bars": "INSERT INTO symbol_loads VALUES ('AAPL', '{}', now())",
    "symbols": "INSERT INTO universe_snapshots VALUES (now(), 1, 1, '{}', '{}', '')",
    "splits": "INSERT INTO split_snapshots VALUES (now(), '/v3', 1, 1, 0, 0, 0, '')",
}


def vendors(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT vendor FROM vendor_of_record ORDER BY vendor")
    return [row[0] for row in rows]


def claim(connection: Connection, vendor: str, *, accept: bool = False) -> None:
    with claim_database(connection, vendor, accept=accept):
        pass


def test_the_first_vendor_is_recorded_and_may_come_back(store: Connection):
    claim(store, "massive")
    claim(store, "massive")

    assert vendors(store) == ["massive"]


@pytest.mark.parametrize("filled", FILLED.values(), ids=FILLED.keys())
def test_another_vendor_is_refused_once_something_is_stored(
    store: Connection, filled: LiteralString
):
    with claim_database(store, "massive", accept=False):
        store.execute(filled)

    with pytest.raises(WrongVendorError, match=r"filled from massive.*names loopback"):
        claim(store, "loopback")

    assert vendors(store) == ["massive"]


def test_a_vendor_of_which_nothing_is_stored_gives_way_with_what_failed(store: Connection):
    mistyped = PermanentError(FailureKind.NOT_FOUND, "/v2/aggs/grouped", "no", http_status=404)
    with claim_database(store, "mistyped", accept=False):
        record_empty_answer(store, JULY_1, datetime(2024, 7, 2, tzinfo=UTC), "run-1")
        record_failure(store, mistyped, Dataset.DAILY_BARS, day=JULY_1)

    claim(store, "massive")

    assert vendors(store) == ["massive"]
    assert open_failures(store) == []
    assert store.execute("SELECT count(*) FROM session_loads").fetchone() == (0,)


def test_a_vendor_gives_way_also_to_one_that_is_accepted(store: Connection):
    claim(store, "mistyped")
    claim(store, "massive", accept=True)

    assert vendors(store) == ["massive"]


def test_an_accepted_vendor_stays_accepted(store: Connection):
    with claim_database(store, "massive", accept=False):
        store.execute(FILLED["symbols"])
    claim(store, "loopback", accept=True)

    claim(store, "loopback")
    claim(store, "massive")

    assert vendors(store) == ["loopback", "massive"]


def test_nobody_takes_over_from_a_vendor_while_one_of_its_loads_may_still_store(
    store: Connection, store_database: Database
):
    with store_database.connect() as other:
        with claim_database(store, "massive", accept=False):
            claim(other, "massive")  # a second load of the same vendor, which stored nothing
            with pytest.raises(WrongVendorError):
                claim(other, "loopback")
        claim(other, "loopback")

    assert vendors(store) == ["loopback"]


def test_a_load_that_fails_lets_its_vendor_give_way(store: Connection, store_database: Database):
    with (
        store_database.connect() as other,
        pytest.raises(RuntimeError, match="refused"),
        claim_database(other, "mistyped", accept=False),
    ):
        raise RuntimeError("refused")

    claim(store, "massive")

    assert vendors(store) == ["massive"]


def test_of_two_vendors_at_once_one_is_refused(store_database: Database):
    tried = threading.Barrier(2)

    def claims(vendor: str) -> bool:
        with store_database.connect() as connection:
            try:
                with claim_database(connection, vendor, accept=False):
                    tried.wait()
            except WrongVendorError:
                tried.wait()
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        claims_made = list(pool.map(claims, ["massive", "loopback"]))

    assert sorted(claims_made) == [False, True]
