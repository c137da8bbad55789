"""The image's recipe, without a build: `make image` builds it, and runs a demo in it."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCKERFILE = REPOSITORY / "deploy/Dockerfile"
TEXT = DOCKERFILE.read_text()


def hadolint(recipe: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "hadolint", "--no-color", "-"],
        input=recipe, check=False, capture_output=True, text=True,
    )  # fmt: skip


def copied() -> list[str]:
    """What the recipe copies from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE)
    return [name for line in lines for name in line.split()]


def is_in_context(name: str) -> bool:
    """Whether `.dockerignore` lets a file or folder of the repository's root through."""
    patterns = (REPOSITORY / ".dockerignore").read_text().splitlines()
    return any(fnmatch(name, pattern[1:]) for pattern in patterns if pattern.startswith("!"))


def test_hadolint_finds_nothing_in_the_recipe() -> None:
    found = hadolint(TEXT)

    assert (found.stdout, found.returncode) == ("", 0)


def test_hadolint_would_find_something() -> None:
    found = hadolint("FROM debian\nRUN pip install dagster\n")

    assert {"DL3006", "DL3013", "DL3042"} <= set(re.findall(r"DL\d+", found.stdout))


def test_the_context_has_what_the_recipe_copies_and_no_more() -> None:
    everything = [path.name for path in REPOSITORY.iterdir()]

    assert {name for name in everything if is_in_context(name)} == {
        *copied(),
        *(path.name for path in REPOSITORY.glob("requirements*.txt")),
    }


@pytest.mark.parametrize("secret", [".env", ".git", "universe.dump", "data"])
def test_no_secret_and_no_data_reach_the_context(secret: str) -> None:
    assert not is_in_context(secret)


def test_every_package_of_the_image_is_known_by_its_hash() -> None:
    files = [name for name in copied() if name.startswith("requirements")]

    assert files
    assert all(f"-r {name}" in TEXT for name in files)
    assert "--require-hashes" in TEXT


def test_it_runs_as_an_ordinary_user_and_takes_whole_commands() -> None:
    assert "\nUSER 10001:10001\n" in TEXT
    assert "\nENTRYPOINT" not in TEXT  # Kubernetes launchers give whole commands as arguments
