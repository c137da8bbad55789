"""`daily_counters`: requests by endpoint and outcome, seconds by stage; a row a day and label set.

A session's transaction adds what its process has counted since the last one. Where it is rolled
back, the counts are not lost: the requests were sent. They go with the next session, or with the
end of the load.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from universe_pipeline.adapters.postgres.connection import commit_or_rollback
from universe_pipeline.adapters.tally import Amounts, Tally

_ADD = """
    INSERT INTO daily_counters AS c (day, counter, subject, outcome, amount)
    SELECT (%s AT TIME ZONE 'UTC')::date, n.* FROM unnest(
        %s::text[], %s::text[], %s::text[], %s::double precision[]
    ) AS n (counter, subject, outcome, amount)
    ON CONFLICT (day, counter, subject, outcome)
    DO UPDATE SET amount = c.amount + excluded.amount
    """


@contextmanager
def committed_with(connection: psycopg.Connection, tally: Tally, at: datetime) -> Generator[None]:
    """Commit at the end of the block what was begun in it, or roll it back where it raises.

    The commit takes along what `tally` has counted, at no round trip of its own.
    """
    with commit_or_rollback(connection):
        yield
        with tally.handed_over() as amounts:
            if amounts:
                with connection.pipeline():
                    _add(connection, amounts, at)
                    connection.commit()


def store(
    connection: psycopg.Connection, tally: Tally, at: datetime, *, at_once: bool = False
) -> None:
    """Add what was counted, in a statement of its own.

    Args:
        connection: to the database, not in a transaction.
        tally: what was counted.
        at: the database's time.
        at_once: also right after the last time.
    """
    with tally.handed_over(at_once=at_once) as amounts:
        if amounts:
            _add(connection, amounts, at)


def _add(connection: psycopg.Connection, amounts: Amounts, at: datetime) -> None:
    rows = sorted((*count, amount) for count, amount in amounts.items())
    connection.execute(_ADD, (at, *map(list, zip(*rows, strict=True))))
