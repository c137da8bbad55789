"""`status --check`: a line for each thing that needs a person, from a process of its own."""

import resource

import psycopg

from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.new_interpreter import printed


def test_a_process_says_in_time_what_needs_a_person(
    universe: Universe, connection: psycopg.Connection
) -> None:
    connection.execute(
        "INSERT INTO session_loads (date, status, final, fetched_at)"
        " VALUES ('2024-07-09', 'quarantined', false, now()), ('2024-07-08', 'loaded', true, now())"
    )
    used = _seconds_used()

    ended = universe("status", "--check")

    assert ended.returncode == 1
    assert [line.split(":")[0] for line in ended.stdout.splitlines()] == [
        "ERROR session_late",
        "ERROR session_quarantined",
    ]
    assert ended.stderr == ""
    assert _seconds_used() - used < 2


def _seconds_used() -> float:
    """Of processors, by children that have ended: the machine may be busy."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_with_nothing_wrong_it_says_so_in_a_line(command: Command) -> None:
    ended = command("status", "--check")

    assert ended.code == 0
    assert ended.out.startswith("ok: nothing needs a person; sessions are due up to 2")
    assert ended.out.count("\n") == 1


def test_it_imports_neither_dagster_nor_what_sends() -> None:
    names = "sys.modules.keys() & {'dagster', 'sqlalchemy', 'httpx', 'smtplib'}"

    assert printed(f"import sys, universe_pipeline.cli.check; print(*{names})") == "\n"
