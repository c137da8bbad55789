"""The lint rule about words that make prose hard to read."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci/words.py"


def words(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    files = [str(path) for path in [Path("a.py"), Path("b.md")] if (folder / path).exists()]
    return subprocess.run(
        [sys.executable, SCRIPT, "--baseline", "baseline", *arguments, *files],
        cwd=folder, check=False, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two words in Python, one in Markdown, and as many in code, which do not count."""
    (tmp_path / "a.py").write_text('"""It is told."""\nX = "told"  # nobody\ntold = 1\n')
    (tmp_path / "b.md").write_text("Made anew: `told`\n\n```\ntold\n```\n")
    (tmp_path / "baseline").write_text("")
    return tmp_path


def test_words_of_docstrings_comments_and_prose_are_named_with_their_place(folder: Path) -> None:
    done = words(folder)

    assert done.returncode == 1
    assert [line.partition(": write")[0] for line in done.stdout.splitlines()] == [
        'a.py:2: "nobody"',
        'a.py:1: "told"',
        "a.py: 2 such words, 0 allowed",
        'b.md:1: "anew"',
        "b.md: 1 such words, 0 allowed",
        "3 words to replace in 2 files",
    ]


def test_a_file_may_have_as_many_as_the_baseline_and_no_more(folder: Path) -> None:
    (folder / "baseline").write_text("2 a.py\n1 b.md\n")
    as_many = words(folder)
    (folder / "b.md").write_text("Made anew by somebody\n")
    more = words(folder)

    assert as_many.returncode == 0
    assert more.returncode == 1
    assert "b.md: 2 such words, 1 allowed" in more.stdout


def test_a_baseline_that_is_too_high_is_to_be_lowered_and_is_never_raised(folder: Path) -> None:
    (folder / "baseline").write_text("3 a.py\n2 gone.py\n")
    (folder / "b.md").write_text("Plain.\n")

    high = words(folder)
    lowered = words(folder, "--lower")
    (folder / "a.py").write_text("# told told told\n")
    raised = words(folder, "--lower")

    assert high.returncode == 1
    assert "a.py: 2 such words, 3 in the baseline: make words ARGS=--lower" in high.stdout
    assert "gone.py: 0 such words, 2 in the baseline" in high.stdout
    assert (lowered.returncode, raised.returncode) == (0, 1)
    assert (folder / "baseline").read_text() == "2 a.py\n"


@pytest.mark.parametrize("text", ["There is no key.", "It is no longer there.", "It was no more."])
def test_plain_negations_are_left_alone(folder: Path, text: str) -> None:
    (folder / "a.py").unlink()
    (folder / "b.md").write_text(text)

    assert words(folder).returncode == 0
