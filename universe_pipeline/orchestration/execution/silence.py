"""A database that is silent (frozen, cut off) ends what goes on in a command."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, Thread

from universe_pipeline.adapters.postgres.connecting import patience
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.errors import DatabaseLostError
from universe_pipeline.orchestration.internals.interrupts import (
    ENDED_AT_ONCE,
    copy_of_stderr,
    end_at_once,
)
from universe_pipeline.orchestration.internals.names import check_captured_interrupt

ENDED_BY_SILENCE = 1
"""The exit code of a process whose database has fallen silent."""

LOOK_SECONDS = 1.0
"""Seconds after an interrupt, and between two looks at whether the database answers."""


@contextmanager
def ended_when_silent(database: Database) -> Generator[Callable[[], None]]:
    """End the process, with a line, once `database` is silent in the block.

    As by a kill: there is nothing that could be recorded anywhere. It takes up to a minute, and
    some seconds from when the yielded function was called, since then a person waits; the code is
    then that of an interrupt. After that the block also gives up what a database that answers takes
    long for.
    """
    stderr, over = copy_of_stderr(), Event()

    def end(reason: str) -> None:
        code = ENDED_BY_SILENCE if asking.ident is None else ENDED_AT_ONCE
        end_at_once(stderr, f"universe: {DatabaseLostError(database.address, reason)}", code)

    def ask() -> None:
        while not over.wait(LOOK_SECONDS):
            if not patience.answers(database.conninfo, patience.STOPS_WITHIN) and not over.is_set():
                end("it does not answer")

    patience.hurry(is_hurried=False)
    asking = Thread(target=ask, daemon=True)

    def interrupted() -> None:
        if asking.ident is None:
            asking.start()
        patience.hurry()

    with (
        patience.when_silent(end),
        patience.given_up_when(check_captured_interrupt),
        patience.in_psycopg2(database.conninfo),
    ):
        try:
            yield interrupted
        finally:
            over.set()
            if stderr is not None:
                os.close(stderr)
