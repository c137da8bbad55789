"""Foreign text stays what it is: one word for a shell, words in Markdown, visible on a terminal."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from universe_pipeline.domain.foreign_text import (
    as_code,
    as_markdown,
    read_symbol,
    symbol_option,
    symbols_option,
    visible,
    visible_lines,
)

HOSTILE = [
    "$(touch${IFS}x)",
    "`touch${IFS}x`",
    "--help",
    "-x",
    "a;b",
    "'",
    "''\"'\"",
    "a\nb",
    "a,b",
    "a b",
    "\\",
    "\\u002c",
    "\\U0000002c",
    "*",
    "~",
    "!!",
    "é",
    "\U0001f4c8",
    "\u202ebad",
    "\x1b[31m",
    "symbols",
    "2024-07-01",
]
FORMS: dict[str, Callable[[str], str]] = {
    "--symbols=": lambda symbol: symbols_option([symbol]),
    "--symbol=": symbol_option,
}

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)


def words(command: str, folder: Path) -> list[str]:
    """The arguments that a real shell makes of a line, as a program gets them."""
    show = f"{sys.executable} -c 'import sys; sys.stdout.write(chr(0).join(sys.argv[1:]))' "
    ran = subprocess.run(
        ["/bin/sh", "-c", show + command], capture_output=True, check=True, cwd=folder
    )
    return ran.stdout.decode("utf-8", "surrogateescape").split("\0")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("symbol", HOSTILE)
def test_a_shell_gives_the_symbol_back_and_runs_nothing(
    form: str, symbol: str, tmp_path: Path
) -> None:
    option = FORMS[form](symbol)

    (word,) = words(option, tmp_path)

    assert option.isprintable()
    assert word.startswith(form)
    assert read_symbol(word.removeprefix(form)) == symbol
    assert list(tmp_path.iterdir()) == []


@given(symbols=st.lists(STORABLE, min_size=1, max_size=4))
def test_a_list_of_symbols_is_read_back_exactly(symbols: list[str]) -> None:
    import shlex

    (word,) = shlex.split(symbols_option(symbols))

    read = [read_symbol(each) for each in word.removeprefix("--symbols=").split(",")]
    assert read == symbols


@pytest.mark.parametrize("word", ["a b", "\\u0000", "\\ud800", "\\Uffffffff", "\udcff"])
def test_what_is_no_symbol_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="the symbol"):
        read_symbol(word)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_code_in_markdown_is_one_span_of_exactly_that_text(text: str) -> None:
    (paragraph,) = MarkdownIt("gfm-like", {"linkify": False}).parse(f"x {as_code(text)} y")[1:2]

    kinds = [(each.type, each.content) for each in paragraph.children or ()]

    shown = visible(text)
    if shown.strip():
        assert kinds == [("text", "x "), ("code_inline", shown), ("text", " y")]


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_text_in_markdown_is_only_text(text: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(f"- {as_markdown(text)}")

    inline = [each for token in tokens for each in token.children or ()]
    assert {each.type for each in inline} <= {"text", "text_special"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BRK.B", "BRK.B"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J\x07\x9b", "\\x1b[2J\\x07\\x9b"),
        ("\u202e\u2066\ufeff\u2028", "\\u202e\\u2066\\ufeff\\u2028"),
        ("\udcff[bold]", "\\udcff[bold]"),
        ("é€\U0001f4c8", "é€\U0001f4c8"),
    ],
)
def test_what_is_not_visible_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_of_our_own_stay() -> None:
    assert visible_lines("a\n\tb\x1b[1m\r") == "a\n\tb\\x1b[1m\\r"
