"""A record as JSON."""

import json
import logging
from datetime import datetime
from typing import Any

from universe_pipeline.adapters import json_log


def formatted(**changes: Any) -> dict[str, Any]:
    given = {"name": "one.logger", "levelno": logging.WARNING, "levelname": "WARNING", "msg": "%s"}
    record = logging.makeLogRecord({**given, "args": ("said",), **changes})
    line = json_log.JsonFormatter().format(record)
    assert "\n" not in line
    return json.loads(line)


def test_a_record_is_one_object_with_these_keys() -> None:
    found = formatted(session="2024-07-09")

    assert datetime.fromisoformat(found.pop("time")).tzinfo is not None
    assert found.pop("host")
    assert found == {
        "level": "WARNING",
        "logger": "one.logger",
        "message": "said",
        "run_id": None,
        "session": "2024-07-09",
    }


def test_an_exception_is_part_of_its_object() -> None:
    error = ValueError("of two\nlines")

    found = formatted(exc_info=(ValueError, error, None))

    assert found["exception"] == "ValueError: of two\nlines"


def test_a_line_names_the_run_that_it_belongs_to() -> None:
    with json_log.of_run("a-run"):
        assert formatted()["run_id"] == "a-run"
        of_dagster = {"run_id": "another", "orig_message": "Dagster's words"}
        found = formatted(dagster_meta=of_dagster)
    assert (found["run_id"], found["message"]) == ("another", "Dagster's words")
    assert formatted()["run_id"] is None
