"""Who fills this database: bars of two vendors must not mix."""

from collections.abc import Generator
from contextlib import contextmanager, suppress

import psycopg

from universe_pipeline.adapters.postgres.ledger import session_loads
from universe_pipeline.adapters.postgres.locks import VENDOR_LOCK
from universe_pipeline.domain.errors import WrongVendorError
from universe_pipeline.domain.session_state import COMMITTED


@contextmanager
def claim_database(connection: psycopg.Connection, vendor: str, *, accept: bool) -> Generator[None]:
    """Record `vendor` as the source of this database, for the block.

    One of which nothing is stored gives way to another, but not while it is claimed. So what stores
    in the block must be `connection`: where that is lost, and the claim with it, nothing is stored.

    Raises:
        WrongVendorError: another one fills it, and `accept` is false.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE vendor_of_record IN SHARE ROW EXCLUSIVE MODE")
        _record(connection, vendor, accept=accept)
        connection.execute("SELECT pg_advisory_lock_shared(%s)", (VENDOR_LOCK,))
    try:
        yield
    finally:
        with suppress(psycopg.Error):  # a connection that is lost, or about to be, claims nothing
            connection.execute("SELECT pg_advisory_unlock_shared(%s)", (VENDOR_LOCK,))


def _record(connection: psycopg.Connection, vendor: str, *, accept: bool) -> None:
    recorded = [row[0] for row in connection.execute("SELECT vendor FROM vendor_of_record")]
    if vendor in recorded:
        return
    if recorded and _gives_way(connection):
        # What another failed at says nothing of this one.
        connection.execute("DELETE FROM vendor_of_record")
        session_loads.forget_all(connection)
        connection.execute(
            "UPDATE data_fetch_errors SET resolved_at = now() WHERE resolved_at IS NULL"
        )
    elif recorded and not accept:
        raise WrongVendorError(", ".join(sorted(recorded)), vendor)
    connection.execute("INSERT INTO vendor_of_record (vendor) VALUES (%s)", (vendor,))


def _gives_way(connection: psycopg.Connection) -> bool:
    """Whether nothing is stored, and nothing can be meanwhile: no other process has a claim."""
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (VENDOR_LOCK,)).fetchone()
    return bool(row and row[0]) and not _is_filled(connection)


def _is_filled(connection: psycopg.Connection) -> bool:
    """By the records that are written with all that is stored."""
    row = connection.execute(
        """
        SELECT EXISTS (SELECT FROM session_loads WHERE status = ANY (%s))
            OR EXISTS (SELECT FROM symbol_loads)
            OR EXISTS (SELECT FROM universe_snapshots)
            OR EXISTS (SELECT FROM split_snapshots)
            OR EXISTS (SELECT FROM dividend_snapshots)
        """,
        (list(COMMITTED),),
    ).fetchone()
    return bool(row and row[0])
