"""Who filled this database: bars of two vendors must not mix."""

import psycopg

from universe_pipeline.domain.errors import WrongVendorError


def claim_vendor(connection: psycopg.Connection, vendor: str, *, accept: bool) -> None:
    """Record `vendor` as the one that fills this database.

    Raises:
        WrongVendorError: another one does, and `accept` is false.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE vendor_of_record IN SHARE ROW EXCLUSIVE MODE")
        stored = [row[0] for row in connection.execute("SELECT vendor FROM vendor_of_record")]
        if vendor in stored:
            return
        if stored and not accept:
            raise WrongVendorError(", ".join(sorted(stored)), vendor)
        connection.execute("INSERT INTO vendor_of_record (vendor) VALUES (%s)", (vendor,))
