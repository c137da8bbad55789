"""What the repository's documents, locks and Makefile say is so."""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import AliasChoices
from typer.main import get_command, get_group

from universe_pipeline.cli import app
from universe_pipeline.settings import Settings
from universe_pipeline_tests.support.documents import PAGES, TEXT

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("requirements-build.txt", "requirements.txt", "requirements-dev.txt")

OF_ONE_MACHINE = re.compile(  # with brackets, so that this file does not name them itself
    r"p[y]pi\.org|python[h]osted\.org|n[p]mjs\.org|d[e]b\.d[e]bian\.org|"
    r"--(extra-)?index-url|--find[-]links|"
    r"(?<![\w.~}-])/(home/(?!you\b)\w|Users/\w|root/\w|work/|opt/pypi|opt/wheels)"
)


def repository_files() -> list[Path]:
    """What is tracked, or would be; without git, what does not look like a tool's own."""
    if (ROOT / ".git").exists():
        listing = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        found = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        of_tools = re.compile(r"\.(?!ci$|gitignore$)|__pycache__$|build$|dist$|.*\.egg-info$")
        found = [
            path
            for path in ROOT.rglob("*")
            if not any(of_tools.match(part) for part in path.relative_to(ROOT).parts)
        ]
    return [path for path in found if path.is_file()]


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    files = repository_files()

    assert ROOT / ".ci/run" in files
    assert not [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in files
        if (found := OF_ONE_MACHINE.search(path.read_text(errors="replace")))
    ]


INTERNALS = "universe_pipeline/orchestration/internals"
"""The only package that may import what Dagster keeps private."""


def private_parts(path: Path) -> list[str]:
    """The modules and names of libraries that a file imports although they are private."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if re.search(r"\._[a-z]", name)]


def test_no_private_part_of_a_library_is_used_but_dagsters_in_internals() -> None:
    sources = [path for path in repository_files() if path.suffix == ".py"]
    used = {path.relative_to(ROOT): private_parts(path) for path in sources}
    excused = [path for path in sources if re.search("S[L]F001", path.read_text())]

    assert any("dagster._core" in name for names in used.values() for name in names)
    for path, names in used.items():
        is_excused = any(map(path.is_relative_to, (INTERNALS, "universe_pipeline_tests")))
        assert all(is_excused and name.startswith("dagster.") for name in names), (path, names)
    assert {path.parent for path in excused} == {ROOT / INTERNALS}


def commands_of_documents(program: str) -> list[list[str]]:
    """The words after `program`, wherever README.md or docs/ shows it as code."""
    fences = re.findall(r"^```(?:sh|console)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    lines = [line for fence in fences for line in fence.splitlines()]
    found: list[list[str]] = []
    for code in lines + re.findall(r"`([^`\n]+)`", prose):
        start = re.match(rf"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?{program}(?: |$)", code)
        if start:
            rest = re.sub(r"[\[\]]", " ", code[start.end() :])
            found.append(shlex.split(rest, comments=True))
    return found


def test_each_make_target_of_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.* ## ", MAKEFILE, re.MULTILINE))
    said = {
        word
        for words in commands_of_documents("make")
        for word in words
        if "=" not in word and not word.startswith("-")
    }

    assert {"demo", "test", "check", "test-system"} <= said
    assert said <= targets


def test_each_module_of_the_documents_exists() -> None:
    modules = {str(path) for path in repository_files() if path.suffix == ".py"}
    said = set(re.findall(r"`([\w./]+\.py)`", TEXT))
    examples = {name for name in said if name.endswith("/things.py")}  # of contributing.md

    assert "loading/sessions.py" in said
    missing = [name for name in said if not any(each.endswith(f"/{name}") for each in modules)]
    assert set(missing) == examples


def test_the_documents_name_the_commands_of_the_command_line_and_no_others() -> None:
    said = {words[0] for words in commands_of_documents("universe") if words}
    options = {word for word in said if word.startswith("-")}

    assert said - options - {"…"} == set(get_group(app).commands)
    assert options == {"--version", "--install-completion"}
    assert options < {option for parameter in get_command(app).params for option in parameter.opts}


def test_each_option_that_the_documents_show_belongs_to_its_command() -> None:
    options = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in get_group(app).commands.items()
    }
    said = {
        (words[0], word.partition("=")[0])
        for words in commands_of_documents("universe")
        for word in words[1:]
        if word.startswith("--") and words[0] != "psql"
    }

    assert ("historical", "--start") in said
    assert not [(name, option) for name, option in said if option not in options[name]]


def settings_of_documents() -> dict[tuple[str, ...], str]:
    """The cell `default` of each row of the table in docs/settings.md, by the row's names."""
    table = PAGES["docs/settings.md"].partition("| variable | default |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[A-Z].*?) \| (.*?) \| ", table, re.MULTILINE)
    return {tuple(re.findall(r"`(\w+)`", names)): default for names, default in rows}


def test_the_documents_list_every_setting_and_no_other() -> None:
    named = [
        tuple(str(choice) for choice in alias.choices)
        if isinstance(alias := field.validation_alias, AliasChoices)
        else (name.upper(),)
        for name, field in Settings.model_fields.items()
    ]

    assert sorted(settings_of_documents()) == sorted(named)


def test_giving_every_setting_the_documented_default_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # away from a .env
    documented = {names[0]: cell for names, cell in settings_of_documents().items()}
    for name in [name for names in settings_of_documents() for name in names]:
        monkeypatch.delenv(name, raising=False)
    untouched = Settings()
    home, home_of_root = re.findall(r"`(.*?)`", documented.pop("UNIVERSE_HOME"))
    monkeypatch.setenv("UNIVERSE_HOME", home if os.geteuid() else home_of_root)
    below_home = documented.pop("DAGSTER_HOME").strip("`")
    for name, cell in documented.items():
        if cell not in ("none", "unset", "a session"):
            monkeypatch.setenv(name, cell.strip("`"))

    given = Settings()

    assert given == untouched
    assert given.effective_dagster_home == Path(
        below_home.replace("UNIVERSE_HOME", str(given.universe_home))
    )


def example_settings() -> dict[str, tuple[str, str]]:
    """What `.env.example` says of each setting: the comment above it, and the default."""
    text = (ROOT / ".env.example").read_text()
    found = re.findall(r"^# (.+)\n# ([A-Z_]+)=(.*)$", text, re.MULTILINE)
    return {name: (meaning, default) for meaning, name, default in found}


def test_the_example_of_an_env_file_has_every_setting_with_its_meaning() -> None:
    said = {name: meaning for name, (meaning, _) in example_settings().items()}

    assert said == {
        name.upper(): field.description for name, field in Settings.model_fields.items()
    }
    assert list(said) == [name.upper() for name in Settings.model_fields]


def test_taking_every_comment_off_the_example_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for names in settings_of_documents() for name in names]:
        monkeypatch.delenv(name, raising=False)
    untouched = Settings()
    lines = [f"{name}={default}" for name, (_, default) in example_settings().items()]
    (tmp_path / ".env").write_text("\n".join(lines))

    given = Settings()

    home = Path("~/.universe_pipeline").expanduser()  # root's is another: see docs/settings.md
    assert given == untouched.model_copy(update={"universe_home": home})


def test_git_ignores_what_the_documented_commands_write() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert {".env", "report.html", "*.dump", "site/"} <= set(ignored)


def locked(file: str) -> dict[str, set[str]]:
    """Versions by canonical name; two where Python's version decides."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (LOCKS[:1], PYPROJECT["build-system"]["requires"]),
        (LOCKS[1:2], PYPROJECT["project"]["dependencies"]),
        # What development shares with the product is locked with the product.
        (LOCKS[1:], PYPROJECT["project"]["optional-dependencies"]["dev"]),
    ],
)
def test_the_lock_has_a_fitting_version_of_every_dependency(
    files: Sequence[str], wanted: list[str]
) -> None:
    pins = {name: versions for file in files for name, versions in locked(file).items()}

    assert wanted
    for requirement in map(Requirement, wanted):
        versions = pins.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not locked: make lock"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


@pytest.mark.parametrize("file", [*LOCKS, "benchmarks/requirements.txt"])
def test_every_locked_version_is_known_by_its_hashes(file: str) -> None:
    entries = re.split(r"\n(?=[^\s#])", "\n" + (ROOT / file).read_text())[1:]

    assert entries
    assert not [entry for entry in entries if not re.search(r"==[^\n]+\n +--hash=sha256:", entry)]


def test_no_package_is_locked_twice() -> None:
    names = [name for file in LOCKS for name in locked(file)]

    assert len(names) == len(set(names))


def test_the_changelog_has_an_entry_for_this_version() -> None:
    version = PYPROJECT["project"]["version"]

    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert re.search(rf"^## \[?{re.escape(version)}\b", changelog, re.MULTILINE)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make on a copy of the Makefile, in a folder with nothing else than what it reads."""
    for name in ("Makefile", "pyproject.toml", "setup.py", *LOCKS):
        (folder / name).write_text((ROOT / name).read_text())
    return subprocess.run(
        ["make", *arguments],
        cwd=folder, env={"PATH": os.environ["PATH"]}, check=False, capture_output=True, text=True,
    )  # fmt: skip


def python_with_pip(folder: Path, version: str) -> Path:
    """An interpreter whose pip says it is `version`, and can do nothing."""
    (folder / "pip.py").write_text(f"__version__ = {version!r}\nif __name__ == '__main__': exit(9)")
    program = folder / "python-with-other-pip"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return program


def test_make_says_in_one_line_what_python_it_needs(tmp_path: Path) -> None:
    tried = make(tmp_path, "demo", "PYTHON=no-such-python")

    assert tried.returncode == 2
    assert tried.stderr.splitlines()[0] == (
        "No Python 3.11 to 3.14 with pip 22.3 or newer among: no-such-python. "
        "Install one (Debian: python3 and python3-pip), or name one: make PYTHON=/path/to/python3"
    )
    assert not (tmp_path / ".venv").exists()


def test_make_refuses_a_python_whose_pip_cannot_fill_another_environment(tmp_path: Path) -> None:
    tried = make(tmp_path, "demo", f"PYTHON={python_with_pip(tmp_path, '22.2.2')}")

    assert tried.stderr.startswith("No Python 3.11 to 3.14 with pip 22.3 or newer")


def test_an_environment_that_was_not_finished_is_built_anew(tmp_path: Path) -> None:
    python = python_with_pip(tmp_path, "22.3")

    tried = make(tmp_path, "demo", f"PYTHON={python}")
    left = tmp_path / ".venv/left-by-the-first"
    left.touch()
    again = make(tmp_path, "demo", f"PYTHON={python}")

    assert tried.stderr.startswith("Building .venv with ")
    assert again.stderr.startswith("Building .venv with ")
    assert not left.exists()


def test_a_finished_environment_is_kept_until_a_pull_moves_a_locked_version(
    tmp_path: Path,
) -> None:
    python = f"PYTHON={python_with_pip(tmp_path, '22.3')}"
    make(tmp_path, "help")
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (tmp_path / ".venv/.runtime").write_text(f"{tmp_path.resolve()}\n")
    (tmp_path / ".venv/.project").touch()
    run = partial(
        subprocess.run, ["make", "install", python], cwd=tmp_path,
        env={"PATH": os.environ["PATH"]}, check=False, capture_output=True, text=True,
    )  # fmt: skip

    finished = run()
    (tmp_path / "requirements.txt").write_text("moved==2\n")
    pulled = run()

    assert (finished.returncode, finished.stderr) == (0, "")
    assert pulled.stderr.startswith("Building .venv with ")


WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()


def test_the_workflow_runs_ci_and_the_tests_on_every_supported_python() -> None:
    workflow = yaml.safe_load(WORKFLOW)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    systems, pythons = workflow["jobs"]["test"]["strategy"]["matrix"].values()

    assert {"bash .ci/run", "make test"} < {step.get("run") for step in steps}
    assert {system.partition("-")[0] for system in systems} == {"ubuntu", "macos"}
    assert pythons == [f"3.{minor}" for minor in range(11, 15)]
    assert PYPROJECT["project"]["requires-python"] == ">=3.11,<3.15"


def test_the_workflow_pins_its_actions_and_may_only_read() -> None:
    workflow = yaml.safe_load(WORKFLOW)
    used = re.findall(r"uses: (\S+) #", WORKFLOW)

    assert WORKFLOW.count("uses:") == len(used)
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)
    assert workflow["permissions"] == {}
    assert {str(job["permissions"]) for job in workflow["jobs"].values()} == {
        "{'contents': 'read'}"
    }


def test_each_hook_before_a_commit_is_a_tool_of_the_environment() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"].split()[0] for hook in hooks[0]["hooks"]]

    assert [repository["repo"] for repository in hooks] == ["local"]
    assert all(entry == "make" or (ROOT / entry).exists() for entry in entries), entries


NOTICED = """
import sys
sys.path.append(sys.argv[1])
import notice
print(*notice.entries(), sep="\\n")
"""


def test_the_notice_names_the_licence_of_each_package_that_is_installed() -> None:
    noticed = (ROOT / "NOTICE").read_text().partition("notice`.\n\n")[2].splitlines()
    names = {canonicalize_name(line.partition(":")[0]) for line in noticed}
    script = [sys.executable, "-c", NOTICED, str(ROOT / ".ci")]

    installed = subprocess.run(script, check=True, capture_output=True, text=True).stdout

    assert installed
    assert set(installed.splitlines()) <= set(noticed), "make notice"
    assert names <= {*locked("requirements.txt"), *locked("requirements-deploy.txt")}
