"""Words that make prose hard to read may not come back: `make words`.

It reads the docstrings and comments of Python files, and what is not code in Markdown files.
"""

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ADVICE = {
    r"tells?|telling|told": "log, report, warn, record, print or raise",
    r"beside": "next to, or compared with",
    r"anew": "again, or rebuild",
    r"whoever|whatever|nobody|somebody|anybody": "name the actor: the writer, the sensor",
    r"the one (?:that|which|who)": "name the thing",
    r"(?<!there )(?:is|are|was|were) no(?! longer| more)": "is not a",
}
WORDS = {re.compile(rf"\b{word}\b", re.IGNORECASE): advice for word, advice in ADVICE.items()}


def main() -> int:
    """Print each such word of the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    found = [each for path in parser.parse_args().files for each in findings(path)]
    sys.stdout.writelines(f"{each}\n" for each in found)
    return bool(found)


def findings(path: Path) -> Iterator[str]:
    """Each word of a file's prose that may not be there, with its place and what to write."""
    prose = markdown(path.read_text()) if path.suffix == ".md" else python(path.read_text())
    for line, text in prose:
        for word, advice in WORDS.items():
            for match in word.finditer(text):
                number = line + text.count("\n", 0, match.start())
                yield f'{path}:{number}: "{match[0]}": write {advice}'


def markdown(text: str) -> Iterator[tuple[int, str]]:
    """What is not code, with its line; code leaves its lines empty."""
    without = re.sub(r"^```.*?^```|`[^`]*`", blank, text, flags=re.MULTILINE | re.DOTALL)
    yield 1, without


def blank(match: re.Match[str]) -> str:
    """As many lines as were matched."""
    return "\n" * match[0].count("\n")


def python(text: str) -> Iterator[tuple[int, str]]:
    """The comments and docstrings, also those of constants, each with its first line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as docstring), lineno=line):
                yield line, docstring
            case _:
                pass


if __name__ == "__main__":
    sys.exit(main())
