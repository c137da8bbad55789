"""What README.md and docs/ say is so: every command runs as printed, every link leads somewhere."""

import re
import shutil
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
from universe_pipeline_tests.support.documents import (
    PAGES,
    REPOSITORY,
    TEXT,
    anchors,
    blocks,
    table_below,
)
from universe_pipeline_tests.support.embedded_homes import fresh_home

BIN = Path(sys.executable).parent

README = PAGES["README.md"]
LINES = list(dict.fromkeys(line for block in blocks("sh") for line in block.splitlines() if line))

SERVING = ("universe up", "dagster dev", "export DAGSTER_HOME")
"""Lines that run until ctrl-C; tests of the services start those."""

ELSEWHERE = "UNIVERSE_HOME=~/restored "
"""Begins lines that are about the embedded database of another home."""

NEEDING_A_STATE = ("universe approve", "universe actions ")
"""Lines that need something to accept; tests of the command run it."""

SETTINGS = table_below("docs/settings.md", "All settings")
COMMANDS = table_below("docs/commands.md", "All commands")


def is_serving(line: str) -> bool:
    return any(begin in line for begin in SERVING)


RUNNABLE = [
    line
    for line in LINES
    if line.removeprefix(ELSEWHERE).startswith(".venv/") and not is_serving(line)
]
OTHER = [line for line in LINES if line not in RUNNABLE]


def commands() -> set[str]:
    return {
        (command.name or command.callback.__name__).replace("_", "-")
        for command in app.registered_commands
        if command.callback is not None
    }


def test_the_table_of_settings_is_the_settings() -> None:
    listed = {re.findall(r"`(\w+)`", row[0])[0] for row in SETTINGS}

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
    said = next(row[1] for row in SETTINGS if f"`{variable}`" in row[0])

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

    said = {re.findall(r"`(\w+)`", row[0])[0]: row[2] for row in SETTINGS}

    assert len(ranges) == 13
    assert said | ranges == said


def test_the_table_of_commands_is_the_commands() -> None:
    listed = {
        re.findall(r"`universe ([\w-]+)", row[0])[0] for row in COMMANDS if "`universe " in row[0]
    }

    assert listed == commands()


def test_every_make_target_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", TEXT, re.MULTILINE))

    assert named
    assert named <= targets


def test_every_other_line_of_a_block_is_known() -> None:
    assert all(
        line.startswith(("make ", *NEEDING_A_STATE)) or line == "git pull" or is_serving(line)
        for line in OTHER
    )


@pytest.fixture
def elsewhere(environment: dict[str, str]) -> Generator[dict[str, str]]:
    """The environment in which `~/restored` is a new home of an embedded database."""
    with fresh_home() as home:
        home.chmod(0o755)
        yield {**environment, "HOME": str(home), "UNIVERSE_DATABASE_URL": ""}


def test_every_command_runs_as_printed(
    environment: dict[str, str], elsewhere: dict[str, str], universe: Universe
) -> None:
    # As printed, in a folder that is like the repository's: some write files there.
    folder = Path(environment["HOME"])
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    for name in ("universe_data_loader.py", "pyproject.toml", "universe_pipeline"):
        (folder / name).symlink_to(REPOSITORY / name)
    assert universe("discover").returncode == 0

    for line in RUNNABLE:
        done = run(["bash", "-c", line], folder, elsewhere if ELSEWHERE in line else environment)

        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    for program in sorted({*blocks("python")} - {*blocks("python", PAGES["docs/research.md"])}):
        done = run([".venv/bin/python", "-c", program], folder, environment)

        assert done.returncode == 0, f"{program}\n{done.stdout}\n{done.stderr}"
        assert done.stdout

    for query in blocks("sql"):
        if query.startswith("SELECT"):
            done = run([".venv/bin/universe", "psql", "-c", query], folder, environment)

            assert done.returncode == 0, f"{query}\n{done.stdout}\n{done.stderr}"


def run(
    command: list[str], folder: Path, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    # The site's own check leaves out README.md, and files that are not pages.
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", PAGES[page])

    for link in links:
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(REPOSITORY).as_posix()), link


def test_the_readme_is_one_page() -> None:
    assert README.count("\n") <= 150


def test_the_site_has_every_page_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    # mermaid diagrams would be drawn by a script from elsewhere
    shutil.copytree(REPOSITORY / "docs", tmp_path / "docs")
    shutil.copy(REPOSITORY / "mkdocs.yml", tmp_path)

    done = run([str(BIN / "zensical"), "build", "--strict"], tmp_path, {"HOME": str(tmp_path)})

    assert done.returncode == 0, done.stdout + done.stderr
    home = (tmp_path / "site/index.html").read_text()
    for page in [page for page in PAGES if page.startswith("docs/")]:
        name = Path(page).relative_to("docs").with_suffix(".html").as_posix()
        written = (tmp_path / "site" / name).read_text()
        assert re.search(f'href="(?:./)?{name}"', home), f"{page} is not in mkdocs.yml"
        assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//', written)
        assert 'class="mermaid"' not in written
    assert "quarantine" in (tmp_path / "site/search.json").read_text()
