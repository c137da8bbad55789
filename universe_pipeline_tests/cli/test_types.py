"""`UNIVERSE_TYPES`: each command filters by its own, and changes no other's view."""

import json
from typing import LiteralString

import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.command_in_process import Command

LOAD = ("historical", "--start", "2024-07-01", "--end", "2024-07-02")

OF_TYPE = """
    SELECT count(*) FROM daily_bars JOIN symbols USING (symbol) WHERE type = ANY (%s)
    """

BARS = "SELECT count(*) FROM universe_bars"


@pytest.fixture
def loaded(command: Command, connection: Connection) -> Connection:
    """Two sessions, loaded first with CS."""
    connection.execute("DELETE FROM universe_types")
    assert command(*LOAD).code == 0
    return connection


def count(connection: Connection, query: LiteralString, types: list[str] | None = None) -> int:
    row = connection.execute(query, None if types is None else (types,)).fetchone()
    return row[0] if row else 0


def test_commands_with_other_types_leave_the_views_of_others_as_they_are(
    loaded: Connection, command: Command
) -> None:
    common = count(loaded, OF_TYPE, ["CS"])
    assert 0 < common == count(loaded, BARS)

    for arguments in (("verify",), LOAD, ("discover",), ("status",)):
        assert command(*arguments, UNIVERSE_TYPES="ETF").code == 0

        assert count(loaded, BARS) == common


def test_each_command_counts_by_its_own_types(loaded: Connection, command: Command) -> None:
    symbols = count(loaded, "SELECT count(*) FROM symbols WHERE type = ANY (%s)", ["CS", "ETF"])

    document = json.loads(command("status", "--json", UNIVERSE_TYPES="CS,ETF").out)

    assert document["symbols"]["universe"] == symbols
    assert document["symbols"]["types"] == ["CS", "ETF"]
    assert symbols > json.loads(command("status", "--json").out)["symbols"]["universe"]


def test_psql_filters_by_the_types_of_its_user(loaded: Connection, universe: Universe) -> None:
    both = count(loaded, OF_TYPE, ["CS", "ETF"])

    ended = universe("psql", "-At", "-c", BARS, env={"UNIVERSE_TYPES": "CS,ETF"})

    assert ended.stdout == f"{both}\n"
    assert both > count(loaded, BARS)


def test_doctor_says_where_other_readers_see_other_types(
    loaded: Connection, command: Command
) -> None:
    def views(**types: str) -> list[str]:
        return [line for line in command("doctor", **types).out.splitlines() if "views" in line]

    (line,) = views(UNIVERSE_TYPES="CS,ETF")

    assert line.startswith("warn ")
    assert "UNIVERSE_TYPES is CS,ETF here" in line
    assert views() == []
    loaded.execute("INSERT INTO universe_types VALUES ('ETF')")
    assert views(UNIVERSE_TYPES="CS,ETF") == []
