"""`--help`, `--version` and completion: what a newcomer finds, and what a shell asks for."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_group

from universe_pipeline.adapters.postgres.schema import HEAD
from universe_pipeline.cli.app import GROUPS, app
from universe_pipeline.cli.terminal import verdict
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.pseudo_terminal import OnTerminal

PROGRAM = str(Path(sys.executable).parent / "universe")
COMMANDS = get_group(app).commands

pytestmark = pytest.mark.usefixtures("eighty_columns")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user with nothing: help needs none of it."""
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


@pytest.fixture
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual width of a terminal."""
    monkeypatch.setenv("COLUMNS", "80")


def listed(help_text: str) -> dict[str, dict[str, str]]:
    """The commands by group, each with its text."""
    sections = re.findall(r"^(\w+):\n((?:  .*\n)+)", help_text, re.MULTILINE)
    return {
        title: dict(re.findall(r"^  (\S+) +(.+)$", rows, re.MULTILINE))
        for title, rows in sections
        if title != "Options"
    }


def test_the_commands_are_in_groups_and_a_newcomers_come_first(command: Command) -> None:
    found = listed(command("--help").out)

    assert [title.lower() for title in found] == ["start", "load", "look", "repair", "run"]
    assert list(found["Start"]) == ["demo", "doctor"]
    names = [name for rows in found.values() for name in rows]
    assert sorted(names) == sorted(COMMANDS)
    assert {title: tuple(rows) for title, rows in found.items()} == GROUPS


def test_no_text_is_cut_and_none_is_long(command: Command) -> None:
    shown = command("--help").out

    texts = {name: text for rows in listed(shown).values() for name, text in rows.items()}
    assert texts == {name: (each.help or "").split("\n")[0] for name, each in COMMANDS.items()}
    assert [text for text in texts.values() if len(text) > 50 or not text.endswith(".")] == []
    assert "..." not in shown.replace("[ARGS]...", "")
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_has_short_texts_and_an_example_that_can_be_run(
    command: Command, name: str, tmp_path: Path
) -> None:
    (tmp_path / "universe.dump").touch()  # what the example of `restore` reads

    ended = command(name, "--help")

    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    (line,) = re.findall(r"^  Example: (.+)$", ended.out, re.MULTILINE)
    program, called, *arguments = shlex.split(line)
    assert (program, called) == ("universe", name)
    COMMANDS[name].make_context(name, arguments)  # raises where it is wrong usage
    options = [one for one in COMMANDS[name].params if one.param_type_name == "option"]
    assert [one.name for one in options if len(getattr(one, "help", "")) > 50] == []


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_h_is_help_everywhere(command: Command, arguments: tuple[str, ...]) -> None:
    asked, short = command(*arguments, "--help"), command(*arguments, "-h")

    assert (short.code, short.out) == (0, asked.out)
    assert "-h, --help" in short.out


def test_the_version_names_release_and_schema(command: Command) -> None:
    ended = command("--version", LOG_LEVEL="loud")

    assert (ended.code, ended.out) == (0, f"universe 0.1.0, schema {HEAD}\n")


def test_help_imports_nothing_heavy() -> None:
    code = "from universe_pipeline.cli.app import run; run(['-h']); import sys; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split())
    assert not loaded & {"dagster", "psycopg", "polars", "rich", "pydantic", "httpx", "numpy"}


def test_bash_completes_commands_and_options(environment: dict[str, str]) -> None:
    script = f"""
        cd {shlex.quote(environment["HOME"])}
        source <({PROGRAM} --show-completion)
        complete -p universe
        answer() {{
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _universe_completion {PROGRAM}
            echo "${{COMPREPLY[@]}}"
        }}
        answer universe re
        answer universe historical --s
    """

    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
    )

    _, commands, options = done.stdout.splitlines()
    assert commands.split() == ["resume", "report", "retry", "repair", "restore"]
    assert options.split() == ["--start", "--symbols"]


def test_completion_is_installed_by_one_command(environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{PROGRAM} --install-completion; exit $?"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    home = Path(environment["HOME"])
    assert "bash completion installed in" in done.stdout
    assert "_universe_completion" in (home / ".bash_completions/universe.sh").read_text()
    assert ".bash_completions/universe.sh" in (home / ".bashrc").read_text()


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["colour", "NO_COLOR"]
)
def test_verdicts_have_colours_on_a_terminal(
    environment: dict[str, str], tmp_path: Path, variables: dict[str, str], *, coloured: bool
) -> None:
    nowhere = {
        "UNIVERSE_HOME": str(tmp_path),
        "UNIVERSE_DATABASE_URL": "postgresql://me@127.0.0.1:1/bars",
    }
    with OnTerminal([PROGRAM, "doctor"], {**environment, **nowhere, **variables}, tmp_path) as seen:
        assert seen.to_its_end() == 1

    assert ("\x1b[31mfail" in seen.raw) == coloured
    assert ("\x1b[32mok" in seen.raw) == coloured
    assert "fail database" in seen.screen.text


def test_verdicts_in_a_pipe_are_plain(command: Command) -> None:
    ended = command("doctor", UNIVERSE_DATABASE_URL="postgresql://me@127.0.0.1:1/bars")

    assert "\x1b" not in ended.out
    assert ended.out.startswith("fail database  ")


def test_each_verdict_has_its_colour() -> None:
    console = Console(force_terminal=True, color_system="standard", no_color=False)
    with console.capture() as captured:
        for word in ("ok", "warn", "fail", "error"):
            console.print(verdict(word))

    assert re.findall(r"\[(\d+)m(\w+)", captured.get()) == [
        ("32", "ok"), ("33", "warn"), ("31", "fail"), ("31", "error")
    ]  # fmt: skip
