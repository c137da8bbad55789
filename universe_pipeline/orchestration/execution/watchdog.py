"""systemd's watchdog, fed as long as Dagster's daemons live; systemd restarts `up` otherwise."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import dagster as dg

from universe_pipeline.adapters import service_manager
from universe_pipeline.adapters.postgres.connecting import losses
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.errors import DatabaseError
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.settings import Settings

LOOKS = 4
"""How often the daemons are looked at within the time after which systemd loses patience."""

LAST_LOOK_SECONDS = 5.0
"""A look that the database has not answered by then is given up when the services end."""


@contextmanager
def fed(settings: Settings, database: Database) -> Generator[None]:
    """For the block, feed the watchdog of this process, if systemd watches it."""
    patience = service_manager.watchdog_seconds()
    if patience is None:
        yield
        return
    ended = Event()
    with open_instance(settings) as instance:
        feeder = Thread(
            target=_feed, args=(instance, database, patience / LOOKS, ended), daemon=True
        )
        feeder.start()
        try:
            yield
        finally:
            ended.set()
            feeder.join(LAST_LOOK_SECONDS)


def _feed(instance: dg.DagsterInstance, database: Database, seconds: float, ended: Event) -> None:
    from universe_pipeline.orchestration.internals.liveness import daemons_live

    while not ended.wait(seconds):
        # Without a database the daemons stand still, too.
        with suppress(DatabaseError), losses.translate_lost_database(database):
            if daemons_live(instance):
                service_manager.notify(service_manager.ALIVE)
