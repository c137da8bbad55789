"""`LOG_FORMAT=json`: all that a command says on stderr is one object a line."""

import json
from typing import Any

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.conftest import Universe

KEYS = {"time", "level", "logger", "message", "run_id", "session", "host"}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_of_a_command_is_an_object(universe: Universe, vendor: SimulatedVendor) -> None:
    vendor.faults.add("404", session="2024-03-12")
    ended = universe(
        *("historical", "--start", "2024-03-11", "--end", "2024-03-13"),
        env={"LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG", "UNIVERSE_ODDITY": "1"},
    )

    assert ended.returncode == 1
    said = lines(ended.stderr)
    assert all(KEYS <= set(line) <= KEYS | {"exception"} for line in said)
    assert "UNIVERSE_ODDITY" in said[0]["message"]
    requests = [line for line in said if line["message"].startswith("GET /v2/aggs/grouped")]
    assert len(requests) == 3
    assert {line["logger"] for line in requests} == {"universe_pipeline.polygon"}
    assert len({line["run_id"] for line in requests}) == 1
    assert requests[0]["run_id"]
    assert "key-of-tests" not in ended.stderr


def test_what_ends_a_command_is_an_object(universe: Universe) -> None:
    ended = universe(
        "status", env={"LOG_FORMAT": "json", "UNIVERSE_DATABASE_URL": "postgresql://127.0.0.1:9/x"}
    )

    assert ended.returncode == 1
    said = lines(ended.stderr)
    assert said[-1]["level"] == "ERROR"
    assert "cannot reach the database" in said[-1]["message"]


def test_another_format_is_refused(universe: Universe) -> None:
    ended = universe("status", env={"LOG_FORMAT": "xml"})

    assert ended.returncode == 2
    assert "LOG_FORMAT='xml'" in ended.stderr
