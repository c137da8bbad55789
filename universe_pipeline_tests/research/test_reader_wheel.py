"""What a reader installs works outside the clone, without Dagster."""

import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline_tests.support.documents import REPOSITORY
from universe_pipeline_tests.support.session_answers import JULY_1, answered, bar, write_session

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")

READ = """
import sys
from universe_pipeline import read
with read.connect(sys.argv[1]) as data:
    print(data.bars(start="2024-07-01")["symbol"].to_list(), "dagster" in sys.modules)
"""


def needed(requirements: list[str]) -> dict[str, Distribution]:
    """The distributions that `requirements` pull in, of those that are installed here."""
    found: dict[str, Distribution] = {}
    waiting = list(map(Requirement, requirements))
    while waiting:
        one = waiting.pop()
        for extra in ("", *one.extras):
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                waiting += _add(one, extra, found)
    return found


def _add(one: Requirement, extra: str, found: dict[str, Distribution]) -> list[Requirement]:
    if one.name in found and not extra:
        return []
    try:
        found[one.name] = distribution(one.name)
    except PackageNotFoundError:
        return []  # of another platform
    more = map(Requirement, found[one.name].requires or [])
    return [each for each in more if each.marker is None or each.marker.evaluate({"extra": extra})]


def tops(of: Distribution) -> Iterator[Path]:
    """The folders and modules of a distribution."""
    names = {file.parts[0] for file in of.files or () if not file.parts[0].startswith("..")}
    return (Path(str(of.locate_file(name))) for name in names if name != "__pycache__")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the reader's wheel and what it requires, and nothing else."""
    place = tmp_path_factory.mktemp("reader")
    subprocess.run(
        [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", place, REPOSITORY / "reader"],
        check=True,
        cwd=place,
    )
    venv.create(place / "venv", with_pip=False)
    (packages,) = (place / "venv/lib").glob("python3*/site-packages")
    project = tomllib.loads((REPOSITORY / "reader/pyproject.toml").read_text())["project"]
    for one in needed(project["dependencies"]).values():
        for path in tops(one):
            if not (packages / path.name).exists():
                (packages / path.name).symlink_to(path)
    (wheel,) = place.glob("*.whl")
    python = place / "venv/bin/python"
    subprocess.run(
        [*PIP, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True
    )
    return python


def run(python: Path, code: str, *arguments: str, **environment: str) -> str:
    ended = subprocess.run(
        [python, "-I", "-c", code, *arguments],
        cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_reader_reads_without_dagster(
    python: Path, store: Connection, store_database: Database
) -> None:
    write_session(store, answered(JULY_1, bar("A"), bar("B")), None)

    assert run(python, READ, store_database.url) == "['A', 'B'] False\n"


def test_the_readers_environment_has_no_pipeline(python: Path) -> None:
    tried = "import importlib.util as u; print([bool(u.find_spec(one)) for one in {}])"
    absent = ["dagster", "sqlalchemy", "alembic", "httpx", "pandas", "typer"]

    assert run(python, tried.format(absent)) == f"{[False] * 6}\n"


def test_the_reader_takes_the_settings(
    python: Path, store: Connection, store_database: Database
) -> None:
    write_session(store, answered(JULY_1, bar("A"), bar("B")), None)
    code = READ.replace("sys.argv[1]", "")

    assert run(python, code, UNIVERSE_DATABASE_URL=store_database.url) == "['A', 'B'] False\n"


def test_both_distributions_agree() -> None:
    whole, reader = (
        tomllib.loads((REPOSITORY / path).read_text())["project"]
        for path in ("pyproject.toml", "reader/pyproject.toml")
    )

    assert reader["version"] == whole["version"]
    assert reader["requires-python"] == whole["requires-python"]
    of_reader = [*reader["dependencies"], *reader["optional-dependencies"]["embedded"]]
    assert set(of_reader) <= set(whole["dependencies"])
