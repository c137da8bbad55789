"""The lint rule about words that make prose hard to read."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci/words.py"


def words(folder: Path) -> subprocess.CompletedProcess[str]:
    files = [str(path) for path in [Path("a.py"), Path("b.md")] if (folder / path).exists()]
    return subprocess.run(
        [sys.executable, SCRIPT, *files], cwd=folder, check=False, capture_output=True, text=True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two words in Python, one in Markdown, and as many in code, which do not count."""
    (tmp_path / "a.py").write_text('"""It is told."""\nX = "told"  # nobody\ntold = 1\n')
    (tmp_path / "b.md").write_text("Made anew: `told`\n\n```\ntold\n```\n")
    return tmp_path


def test_words_of_docstrings_comments_and_prose_are_named_with_their_place(folder: Path) -> None:
    done = words(folder)

    assert done.returncode == 1
    assert [line.partition(": write")[0] for line in done.stdout.splitlines()] == [
        'a.py:2: "nobody"',
        'a.py:1: "told"',
        'b.md:1: "anew"',
    ]


@pytest.mark.parametrize("text", ["There is no key.", "It is no longer there.", "It was no more."])
def test_plain_negations_are_left_alone(folder: Path, text: str) -> None:
    (folder / "a.py").unlink()
    (folder / "b.md").write_text(text)

    assert words(folder).returncode == 0
