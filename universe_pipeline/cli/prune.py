"""`prune`: Dagster's old events, of which only the page of an old run shows anything."""

from datetime import datetime, timedelta

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result
from universe_pipeline.orchestration.internals import old_events
from universe_pipeline.orchestration.internals.old_events import Events
from universe_pipeline.settings import Settings


def prune(settings: Settings, older_than: int, *, dry_run: bool) -> int:
    """Delete the events that are older than so many days; `dry_run`: only count them."""
    with wiring.connected(settings) as connection:
        before = wiring.now(settings) - timedelta(days=older_than)
        events = old_events.measure(connection, before) if dry_run else _deleted(connection, before)
    described = _described(events, older_than)
    if dry_run:
        result(f"would delete {described}")
    else:
        result(f"deleted {described}; runs, partitions and results of checks stay")
    return DONE


def _deleted(connection: Connection, before: datetime) -> Events:
    batches = list(old_events.delete(connection, before))
    return Events(sum(one.count for one in batches), sum(one.bytes for one in batches))


def _described(events: Events, older_than: int) -> str:
    days = "a day" if older_than == 1 else f"{older_than:,} days"
    return f"{events.count:,} events of Dagster older than {days} ({events.bytes / 1e6:,.1f} MB)"
