"""Whether a `.env` can be read as it was meant: UTF-8 text, each line NAME=value.

dotenv itself skips a line that it cannot parse, and a folder of that name.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISCHR, S_ISREG

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ADVICE = "move it away, or put NAME=value lines into a file"


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What stands in a `.env`; without a file, nothing."""

    names: tuple[str, ...] = ()
    """The names that have a value, as they are written."""
    problems: tuple[str, ...] = ()
    """Why it is not usable, a line each; never any of its text, which may be a secret."""


def read(file: Path) -> EnvFile:
    """Look at `file`, an absolute path; a missing one is empty."""
    try:
        mode = file.stat().st_mode
        if S_ISCHR(mode):  # a link to /dev/null switches the file off
            return EnvFile()
        if not S_ISREG(mode):
            return _unusable(f"{file} is a folder or another special file: {_ADVICE}")
        return _parsed(file.read_bytes(), file)
    except FileNotFoundError:
        return (
            _unusable(f"{file} is a link to nothing: {_ADVICE}") if file.is_symlink() else EnvFile()
        )
    except OSError as error:
        return _unusable(f"{file} cannot be read ({error.strerror}): let your account read it")


def _unusable(problem: str) -> EnvFile:
    return EnvFile(problems=(problem,))


def _parsed(content: bytes, file: Path) -> EnvFile:
    if content.startswith(_UTF_16) or b"\0" in content:
        return _unusable(f"{file} is UTF-16 text or binary: save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _unusable(f"line {line} of {file} is not UTF-8 text: save the file as UTF-8")
    return _bindings(text, file)


def _bindings(text: str, file: Path) -> EnvFile:
    from dotenv.parser import parse_stream

    found = list(parse_stream(io.StringIO(text)))
    wrong = [one.original.line for one in found if one.error or (one.key and one.value is None)]
    advice = "write NAME=value, with both quotation marks or none"
    return EnvFile(
        tuple(one.key for one in found if one.key and one.value is not None),
        tuple(f"line {line} of {file} is not usable: {advice}" for line in wrong),
    )
