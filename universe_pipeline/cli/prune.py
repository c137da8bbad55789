"""`prune`: Dagster's old events, which only the page of an old run shows, and closed rows."""

from datetime import datetime, timedelta

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import closed_rows
from universe_pipeline.adapters.postgres.ledger.closed_rows import ClosedRows
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result
from universe_pipeline.orchestration.internals import old_events
from universe_pipeline.orchestration.internals.old_events import Events
from universe_pipeline.settings import Settings


def prune(settings: Settings, older_than: int, *, dry_run: bool) -> int:
    """Delete what is older than so many days; `dry_run`: only count it."""
    with wiring.connected(settings) as connection:
        before = wiring.now(settings) - timedelta(days=older_than)
        events = old_events.measure(connection, before) if dry_run else _deleted(connection, before)
        closed = (closed_rows.measure if dry_run else closed_rows.delete)(connection, before)
    described = _described(events, older_than)
    if dry_run:
        result(f"would delete {described}")
    else:
        result(f"deleted {described}; runs, partitions and results of checks stay")
    if closed.failures or closed.refusals:
        verb = "would delete" if dry_run else "deleted"
        result(f"{verb} {_described_rows(closed, older_than)}; open ones and all revisions stay")
    return DONE


def _deleted(connection: Connection, before: datetime) -> Events:
    batches = list(old_events.delete(connection, before))
    return Events(sum(one.count for one in batches), sum(one.bytes for one in batches))


def _described(events: Events, older_than: int) -> str:
    size = f"{events.bytes / 1e6:,.1f} MB"
    return f"{events.count:,} events of Dagster older than {_days(older_than)} ({size})"


def _described_rows(closed: ClosedRows, older_than: int) -> str:
    rows = f"{closed.failures:,} resolved errors and {closed.refusals:,} approved refusals"
    return f"{rows} older than {_days(older_than)}"


def _days(count: int) -> str:
    return "a day" if count == 1 else f"{count:,} days"
