"""Words that make prose hard to read may not come back: `make words`.

Read are the docstrings and comments of Python files, and what is not code in Markdown files. Files
that were written before this rule have a number of such words, listed in the baseline; it may only
shrink.
"""

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
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

BASELINE = Path(__file__).with_name("words.txt")


def main() -> int:
    """Compare the files with the baseline, and print where they differ from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--lower", action="store_true", help="lower the baseline")
    arguments = parser.parse_args()
    found = {str(path): list(findings(path)) for path in arguments.files}
    counts = {path: len(lines) for path, lines in found.items() if lines}
    allowed = read(arguments.baseline) if arguments.baseline.exists() else counts
    if arguments.lower:
        allowed = {path: min(counts[path], allowed[path]) for path in allowed if path in counts}
        write(arguments.baseline, allowed)
    problems = list(compared(found, allowed))
    summary = f"{sum(counts.values())} words to replace in {len(counts)} files"
    sys.stdout.write("\n".join([*problems, summary]) + "\n")
    return bool(problems)


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


def compared(found: Mapping[str, list[str]], allowed: Mapping[str, int]) -> Iterator[str]:
    """What is to be done about each file that has more or fewer words than the baseline."""
    for path, lines in found.items():
        if len(lines) > allowed.get(path, 0):
            yield from lines
            yield f"{path}: {len(lines)} such words, {allowed.get(path, 0)} allowed"
    for path, most in allowed.items():
        if (count := len(found.get(path, []))) < most:
            yield f"{path}: {count} such words, {most} in the baseline: make words ARGS=--lower"


def read(baseline: Path) -> dict[str, int]:
    """The allowed number of words by file."""
    lines = [line.split(maxsplit=1) for line in baseline.read_text().splitlines()]
    return {path: int(count) for count, path in lines}


def write(baseline: Path, allowed: Mapping[str, int]) -> None:
    """The same, as a file."""
    baseline.write_text("".join(f"{count} {path}\n" for path, count in sorted(allowed.items())))


if __name__ == "__main__":
    sys.exit(main())
