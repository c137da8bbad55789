"""What the README says is so: every command runs as printed, every setting is one."""

import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from universe_pipeline.cli.app import app
from universe_pipeline.settings import Settings
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.embedded_homes import fresh_home

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text()

BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line]

SERVING = ("universe up", "dagster dev", "export DAGSTER_HOME")
"""Lines that run until ctrl-C; tests of the services start those."""

ELSEWHERE = "UNIVERSE_HOME=~/restored "
"""Begins lines that are about the embedded database of another home."""

RUNNABLE = [
    line
    for line in LINES
    if line.removeprefix(ELSEWHERE).startswith(".venv/") and not any(s in line for s in SERVING)
]
OTHER = [line for line in LINES if line not in RUNNABLE]


def table_below(heading: str) -> list[list[str]]:
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def commands() -> set[str]:
    return {
        (command.name or command.callback.__name__).replace("_", "-")
        for command in app.registered_commands
        if command.callback is not None
    }


def test_the_table_of_settings_is_the_settings() -> None:
    listed = {re.findall(r"`(\w+)`", row[0])[0] for row in table_below("Settings")}

    assert listed == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize(
    "variable",
    [
        "POLYGON_RATE_LIMIT",
        "POLYGON_BASE_URL",
        "UNIVERSE_CONCURRENCY",
        "UNIVERSE_START_DATE",
        "UNIVERSE_REVISIT_SESSIONS",
        "UNIVERSE_QUALITY_ROWS_ERROR",
        "UNIVERSE_QUALITY_ROWS_WARN",
        "UNIVERSE_QUALITY_REPEATED",
        "UNIVERSE_QUALITY_VWAP",
        "UNIVERSE_QUALITY_JUMP",
        "UNIVERSE_QUALITY_STALE",
        "LOG_LEVEL",
    ],
)
def test_a_default_is_said_as_it_is(variable: str) -> None:
    said = next(row[1] for row in table_below("Settings") if f"`{variable}`" in row[0])

    assert said == f"`{Settings.model_fields[variable.lower()].default}`"


def accepted(field: FieldInfo) -> str | None:
    """A setting's range as the table words it, where it has one."""
    match field.metadata:
        case [Ge(least), Le(most)]:
            return f"{least} to {most}"
        case [Gt(bound), Le(most)]:
            return f"over {bound}, to {most}"
        case [Ge(least)]:
            return f"from {least}"
        case [Gt(bound)]:
            return f"over {bound}"
        case _:
            return None


def test_the_ranges_that_are_accepted_are_said_as_they_are() -> None:
    fields = Settings.model_fields.items()
    ranges = {name.upper(): accepted(field) for name, field in fields if accepted(field)}

    said = {re.findall(r"`(\w+)`", row[0])[0]: row[2] for row in table_below("Settings")}

    assert len(ranges) == 11
    assert said | ranges == said


def test_the_table_of_commands_is_the_commands() -> None:
    listed = {
        re.findall(r"`universe ([\w-]+)", row[0])[0]
        for row in table_below("Commands")
        if "`universe " in row[0]
    }

    assert listed == commands()


def test_every_make_target_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", README))

    assert named
    assert named <= targets


def test_every_other_line_of_a_block_is_known() -> None:
    assert all(
        line.startswith("make ") or line == "git pull" or any(s in line for s in SERVING)
        for line in OTHER
    )


@pytest.fixture
def elsewhere(environment: dict[str, str]) -> Generator[dict[str, str]]:
    """The environment in which `~/restored` is a new home of an embedded database."""
    with fresh_home() as home:
        home.chmod(0o755)
        yield {**environment, "HOME": str(home), "UNIVERSE_DATABASE_URL": ""}


def test_every_command_of_the_readme_runs(
    environment: dict[str, str], elsewhere: dict[str, str], universe: Universe
) -> None:
    # As printed, in a folder that is like the repository's: some write files there.
    folder = Path(environment["HOME"])
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    (folder / "universe_data_loader.py").symlink_to(REPOSITORY / "universe_data_loader.py")
    assert universe("discover").returncode == 0

    for line in RUNNABLE:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env=elsewhere if line.startswith(ELSEWHERE) else environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
