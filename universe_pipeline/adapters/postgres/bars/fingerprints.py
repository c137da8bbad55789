"""Stored fingerprints of sessions; those of another version are made again from the stored bars.

A fingerprint of another version says nothing about what is stored (`domain/fingerprint.py`): it is
compared with none, and gives way to the fingerprint of the bars. Approvals of the stored content
follow it.
"""

from collections.abc import Mapping
from datetime import date

import psycopg

from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.bars.copy_binary import fingerprint
from universe_pipeline.domain.bars import BAR_SCHEMA
from universe_pipeline.domain.fingerprint import is_known
from universe_pipeline.domain.quality.rules import CONTENTS_KEPT


def of_stored_bars(connection: psycopg.Connection, session: date) -> str:
    """The fingerprint of the session's bars of the grouped endpoint, as they are stored."""
    bars = packed.read(connection, session, session, "grouped").bars
    return fingerprint(bars.select(BAR_SCHEMA.names()))


def known(connection: psycopg.Connection, session: date, stored: str | None) -> str | None:
    """The session's `stored` fingerprint, renewed if it is of another version; None stays None."""
    if stored is None or is_known(stored):
        return stored
    found = of_stored_bars(connection, session)
    renew(connection, {session: (stored, found)})
    return found


def renew(connection: psycopg.Connection, changes: Mapping[date, tuple[str, str]]) -> None:
    """Replace fingerprints of another version: by session the stored one and that of its bars.

    A session that was written in the meantime keeps the fingerprint that it has since.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            _RENEW,
            [{"date": day, "old": old, "new": new} for day, (old, new) in sorted(changes.items())],
        )


_RENEW = """
    WITH renewed AS (
        UPDATE session_loads SET content_hash = %(new)s
        WHERE date = %(date)s AND content_hash = %(old)s RETURNING date
    )
    UPDATE session_approvals a SET content_hash = %(new)s FROM renewed
    WHERE a.date = renewed.date AND a.content_hash = %(old)s AND NOT EXISTS (
        SELECT FROM session_approvals b WHERE b.date = a.date AND b.content_hash = %(new)s)
    """


def altered_sessions(connection: psycopg.Connection) -> set[date]:
    """Sessions whose bars are known not to be those of their answer."""
    rows = connection.execute(
        "SELECT date FROM broken_rules WHERE rule = %s", (CONTENTS_KEPT.name,)
    )
    return {row[0] for row in rows}
