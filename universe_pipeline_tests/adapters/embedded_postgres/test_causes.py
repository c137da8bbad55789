"""A server that does not start, or ended, is explained by its cause, in one line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from universe_pipeline.adapters.embedded_postgres.attachment import attach, stop
from universe_pipeline.adapters.embedded_postgres.causes import cause, end_of_server
from universe_pipeline_tests.support.embedded_causes import (
    IN_THE_DATA,
    Cause,
    message,
)
from universe_pipeline_tests.support.embedded_homes import fresh_home

AT = "2026-11-29 01:24:26.123 UTC [4711] "


@pytest.fixture(scope="module")
def stopped_home() -> Iterator[Path]:
    """A home with data, whose server does not run."""
    with fresh_home() as home:
        attach(home).detach()
        assert stop(home)
        yield home


@pytest.mark.parametrize("name", IN_THE_DATA)
def test_the_message_names_the_cause(stopped_home: Path, name: str) -> None:
    obstacle: Cause = IN_THE_DATA[name]
    said = message(obstacle, stopped_home)

    assert "\n" not in said
    for part in obstacle.said:
        assert part in said


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [
                'FATAL:  could not create file "base/1/3455": No space left on device',
                "PANIC:  cannot abort transaction 1, it was already committed",
                "LOG:  database system is shut down",
            ],
            'FATAL:  could not create file "base/1/3455": No space left on device',
        ),
        (
            [
                "LOG:  database system is ready to accept connections",
                'FATAL:  role "guest" does not exist',
                'PANIC:  could not write to file "pg_wal/xlogtemp.12": No space left on device',
                "FATAL:  the database system is in recovery mode",
                'FATAL:  could not open file "x"',
            ],
            'PANIC:  could not write to file "pg_wal/xlogtemp.12": No space left on device',
        ),
        (
            [
                'LOG:  could not bind Unix address "/x": in use',
                "HINT:  Is another postmaster already running on port 5432?",
                "FATAL:  could not create any sockets",
            ],
            'LOG:  could not bind Unix address "/x": in use; FATAL:  could not create any sockets',
        ),
        (
            ['FATAL:  lock file "x" already exists', "HINT:  Is another postmaster running?"],
            'FATAL:  lock file "x" already exists; HINT:  Is another postmaster running?',
        ),
        (["LOG:  database system is shut down"], ""),
    ],
)
def test_the_cause_is_not_the_last_line(lines: list[str], expected: str) -> None:
    assert cause("\n".join(AT + line for line in lines)) == expected


def test_the_end_of_a_server_is_its_crash_or_what_its_supervisor_says() -> None:
    stopped = "2026-11-29 01:24:26 UTC supervisor: stopping the server: asked to"
    full = 'PANIC:  could not write to file "pg_wal/x": No space left on device'

    assert end_of_server(f"{AT}FATAL:  no such role\n{stopped}\n") == (
        "stopping the server: asked to"
    )
    assert end_of_server(f"{AT}{full}\n{AT}LOG:  database system is shut down\n") == full
