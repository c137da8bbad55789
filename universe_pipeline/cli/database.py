"""`url` and `psql`: the way to the database for other programs and for people."""

import os
import shutil
from collections.abc import Sequence
from typing import NoReturn

from universe_pipeline import wiring
from universe_pipeline.adapters.embedded_postgres.attachment import psql_binary
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result
from universe_pipeline.settings import Settings


def _database(settings: Settings) -> Database:
    """The database, which this release can read; people may write what they like."""
    wiring.open_for_reading(settings)
    return wiring.database_as_it_is(settings)


def print_url(settings: Settings) -> int:
    """Print the URL; the embedded server runs on for a while, so that it can be used."""
    result(_database(settings).parsed.url)
    return DONE


def print_loopback_url(settings: Settings) -> int:
    """Print the address of the embedded server on UNIVERSE_PORT, with its password."""
    result(wiring.loopback_url(settings))
    return DONE


def open_psql(settings: Settings, arguments: Sequence[str]) -> NoReturn:
    """Become psql: the machine's own where there is one, otherwise the embedded server's."""
    address, environment = _database(settings).for_program()
    program = shutil.which("psql") or str(psql_binary())
    os.execve(program, [b"psql", address, *map(os.fsencode, arguments)], environment)  # noqa: S606  # no shell between
