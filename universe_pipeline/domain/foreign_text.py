"""Foreign text (the vendor's, arguments, names of files), made safe for where it is shown.

A text may hold anything. On a terminal and in Markdown it stays one line of visible characters. In
a command that people copy it is one word for a shell, and `universe` reads it back exactly.
"""

import re
import shlex
from collections.abc import Iterable


def visible(text: object) -> str:
    r"""`text`, or what stands for it such as a path's, as one line of visible characters.

    Control characters, bytes that are not UTF-8 and marks that turn the direction of writing are
    written out: `\n`, `\x1b`, `\udcff`, `\u202e`.
    """
    return _written_out(str(text), "")


def visible_lines(text: str) -> str:
    """The same for a text that may have several lines: their ends and tabs stay."""
    return _written_out(text, "\n\t")


def _written_out(text: str, kept: str) -> str:
    if text.isprintable():  # nearly always
        return text
    return "".join(one if one.isprintable() or one in kept else ascii(one)[1:-1] for one in text)


def symbols_option(symbols: Iterable[str]) -> str:
    """The option that names exactly these symbols, ready to paste into a shell.

    Of the form `--symbols=…`, because a symbol may begin with a dash.
    """
    return f"--symbols={shlex.quote(','.join(map(_escaped, symbols)))}"


def symbol_option(symbol: str) -> str:
    """The same for an option that takes a single symbol."""
    return f"--symbol={shlex.quote(_escaped(symbol))}"


def _escaped(symbol: str) -> str:
    return "".join(
        one if one.isprintable() and one not in " ,\\" else _ESCAPE.format(ord(one))
        for one in symbol
    )


_ESCAPE = "\\U{:08x}"
_ESCAPED = re.compile(r"\\U([0-9a-fA-F]{8})|\\u([0-9a-fA-F]{4})")


def read_symbol(word: str) -> str:
    r"""The symbol that an option names, where what a shell or a list would take apart is escaped.

    Of `\u002c` and `\U0000002c` each stands for a comma.

    Raises:
        ValueError: says what is wrong: white space in it, or a character that none can hold.
    """
    if any(map(str.isspace, word)):
        raise ValueError(
            f"the symbol {word!r} holds a space: separate symbols by commas, like AAPL,BRK.B"
        )
    try:
        symbol = _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), word)
        is_storable = "\x00" not in symbol and symbol.encode()
    except (ValueError, OverflowError):
        symbol, is_storable = "", False
    if not is_storable:
        raise ValueError(f"the symbol {word!r} holds a character that no symbol can hold")
    return symbol


def as_markdown(text: str) -> str:
    """`text` in Markdown: a symbol like `![](//x.y/z)` must not fetch a picture."""
    return _MARKS.sub(r"\\\g<0>", visible(text))


_MARKS = re.compile(r"[\\`*_\[\]<>!|~#&/@]|^[-+=]|(?<=www)\.")
"""What Markdown would take for its own, addresses that it would link among it."""


def as_code(text: str) -> str:
    """`text` as code in Markdown, which no back-tick in it ends.

    Not within a table, where a `|` ends even code.
    """
    shown = visible(text)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
