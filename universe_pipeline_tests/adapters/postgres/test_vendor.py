"""A database remembers which vendor filled it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.vendor import claim_vendor
from universe_pipeline.domain.errors import WrongVendorError


def vendors(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT vendor FROM vendor_of_record ORDER BY vendor")
    return [row[0] for row in rows]


def test_the_first_vendor_is_recorded_and_may_come_back(store: Connection):
    claim_vendor(store, "massive", accept=False)
    claim_vendor(store, "massive", accept=False)

    assert vendors(store) == ["massive"]


def test_another_vendor_is_refused(store: Connection):
    claim_vendor(store, "massive", accept=False)

    with pytest.raises(WrongVendorError, match=r"filled from massive.*names loopback"):
        claim_vendor(store, "loopback", accept=False)

    assert vendors(store) == ["massive"]


def test_an_accepted_vendor_stays_accepted(store: Connection):
    claim_vendor(store, "massive", accept=False)
    claim_vendor(store, "loopback", accept=True)

    claim_vendor(store, "loopback", accept=False)
    claim_vendor(store, "massive", accept=False)

    assert vendors(store) == ["loopback", "massive"]


def test_of_two_vendors_at_once_one_is_refused(store_database: Database):
    def claim(vendor: str) -> bool:
        with store_database.connect() as connection:
            try:
                claim_vendor(connection, vendor, accept=False)
            except WrongVendorError:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        claimed = list(pool.map(claim, ["massive", "loopback"]))

    assert sorted(claimed) == [False, True]
