"""The vendor's client, and psycopg's COPY of rows."""

from datetime import date

import psycopg

from benchmarks.peers.measuring import answers, measure, row
from benchmarks.table import COLUMNS


def load(vendor: str, database: str, days: list[date]) -> None:
    """A transaction a session, as psycopg's documentation shows COPY."""
    with psycopg.connect(database) as connection:
        for day, bars in answers(vendor, days):
            with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(f"COPY bars ({COLUMNS}) FROM STDIN") as copy,
            ):
                for bar in bars:
                    copy.write_row(row(day, bar))


if __name__ == "__main__":
    measure(load)
