"""`report_page`: the page that the newest verification made, for every host to fetch."""

import gzip
from dataclasses import dataclass
from datetime import datetime

import psycopg

from universe_pipeline.adapters.host import host_name


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report as it was made."""

    html: bytes
    """UTF-8."""
    sessions: int
    """How many it covers."""
    made_at: datetime
    host: str
    """The host that made it."""


def keep(connection: psycopg.Connection, html: str, sessions: int, at: datetime) -> None:
    """Keep a report that this host made at `at`, in place of the one before."""
    connection.execute(
        """
        INSERT INTO report_page (id, html, sessions, made_at, host) VALUES (1, %s, %s, %s, %s)
        ON CONFLICT (id) DO UPDATE SET
            html = excluded.html, sessions = excluded.sessions, made_at = excluded.made_at,
            host = excluded.host
        """,
        (gzip.compress(html.encode(), mtime=0), sessions, at, host_name()),
    )


def kept(connection: psycopg.Connection) -> KeptReport | None:
    """The report that is kept; None before the first verification."""
    row = connection.execute("SELECT html, sessions, made_at, host FROM report_page").fetchone()
    return None if row is None else KeptReport(gzip.decompress(row[0]), *row[1:])
