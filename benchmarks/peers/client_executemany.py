"""The vendor's client, and psycopg's executemany."""

from datetime import date

import psycopg

from benchmarks.peers.measuring import answers, measure, row
from benchmarks.table import COLUMNS

INSERT = f"INSERT INTO bars ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"


def load(vendor: str, database: str, days: list[date]) -> None:
    """A transaction a session; psycopg 3 sends the rows as a pipeline."""
    with psycopg.connect(database) as connection:
        for day, bars in answers(vendor, days):
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(INSERT, [row(day, bar) for bar in bars])


if __name__ == "__main__":
    measure(load)
