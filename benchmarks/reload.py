"""Fetching again what has not changed: time, WAL and size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import LiteralString

import psycopg

from benchmarks.figures import Figure, Target
from benchmarks.stage import Stage

_SIZE = """
    SELECT coalesce(sum(pg_relation_size(inhrelid) + pg_indexes_size(inhrelid)), 0)::bigint
    FROM pg_inherits WHERE inhparent = 'daily_bars'::regclass
"""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One load of all sessions."""

    seconds: float
    wal: int
    """Bytes of the whole server, which does nothing else meanwhile."""
    size: int
    """Of `daily_bars` with its indexes, afterwards."""


def reload(stage: Stage) -> list[Figure]:
    """Load the same sessions twice into a new database, in each round."""
    days = stage.newest(min(stage.scale.floor, stage.scale.sessions))
    rounds: list[tuple[_Pass, _Pass]] = []
    for _ in range(stage.scale.rounds):
        with stage.database() as url:
            rounds.append((_load(stage, url, days), _load(stage, url, days)))
    count = len(days)
    first = median(one.seconds for one, _ in rounds) / count
    again = median(one.seconds for _, one in rounds) / count
    wal_first = median(one.wal for one, _ in rounds) / count / 1e6
    wal_again = median(one.wal for _, one in rounds) / count / 1e6
    grown = max(after.size - before.size for before, after in rounds) / 1e6
    size = median(one.size for one, _ in rounds) / 1e6
    ratio = median(after.seconds / before.seconds for before, after in rounds)
    part, against = "reload", "first write"
    return [
        Figure(part, "identical answer", 1000 * again, "ms a session", 1000 * first, ratio, against,
               Target(2)),
        Figure(part, "WAL", wal_again, "MB a session", wal_first, wal_again / wal_first, against,
               Target(0.7, of="value")),
        Figure(part, "growth of the table", grown, "MB", size, grown / size, "its size",
               Target(0, of="value")),
    ]  # fmt: skip


def _load(stage: Stage, url: str, days: Sequence[date]) -> _Pass:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        before = _number(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'")
        printed = stage.child("loader", days[0], days[-1], database_url=url)
        after = _number(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'")
        return _Pass(printed["seconds"], after - before, _number(connection, _SIZE))


def _number(connection: psycopg.Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
