"""`url` and `psql`: the way to the database for other programs and for people."""

import os
import shutil
from collections.abc import Sequence
from typing import NoReturn

from universe_pipeline import wiring
from universe_pipeline.adapters.embedded_postgres.attachment import psql_binary
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result
from universe_pipeline.settings import settings


def print_url() -> int:
    """Print the URL; the embedded server runs on for a while, so that it can be used."""
    result(wiring.open_database(settings()).parsed.url)
    return DONE


def open_psql(arguments: Sequence[str]) -> NoReturn:
    """Become psql: the machine's own where there is one, otherwise the embedded server's."""
    address, environment = wiring.open_database(settings()).for_program()
    program = shutil.which("psql") or str(psql_binary())
    os.execve(program, [b"psql", address, *map(os.fsencode, arguments)], environment)  # noqa: S606  # no shell between
