"""A command on a pseudo-terminal: what a person would see of it, moment by moment."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

COLUMNS, ROWS = 80, 40

_PIECES = re.compile(r"\x1b\[(\??\d*(?:;\d+)*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


@dataclass(slots=True)
class Screen:
    """As much of a terminal as the bars ask for: lines, where the cursor is, whether it shows."""

    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    cursor_shows: bool = True

    def feed(self, text: str) -> None:
        """Take what a program has written."""
        for arguments, command, control, printed in _PIECES.findall(text):
            if command:
                self._obey(command, arguments)
            elif control == "\r":
                self.column = 0
            elif control == "\n":
                self.row += 1
            else:
                self._print(printed)
            self.lines += [""] * (self.row + 1 - len(self.lines))

    def _obey(self, command: str, arguments: str) -> None:
        match command:
            case "A":
                self.row -= int(arguments or 1)
            case "K":
                self.lines[self.row] = ""
            case "h" | "l":
                self.cursor_shows = command == "h"
            case _:
                assert command == "m", f"an escape that the bars have no use for: {command}"

    def _print(self, printed: str) -> None:
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + printed + line[self.column + len(printed) :]
        self.column += len(printed)

    @property
    def text(self) -> str:
        """What it shows."""
        return "\n".join(line.rstrip() for line in self.lines)


@dataclass(frozen=True, slots=True)
class Seen:
    """The screen at a moment."""

    at: float
    """Seconds since the start."""
    text: str


class OnTerminal:
    """A program whose terminal, its controlling one, is a pseudo-terminal."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self._ours, theirs = os.openpty()
        self.resize(COLUMNS)
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            stdin=theirs, stdout=theirs, stderr=theirs,
            env={**environment, "TERM": "xterm"}, cwd=folder,
        )  # fmt: skip
        os.close(theirs)
        self._began = time.monotonic()
        self.screen, self.seen, self.raw = Screen(), list[Seen](), ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def resize(self, columns: int) -> None:
        """Make the terminal as wide, as dragging its window does."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type, like `"\\x03"` for ctrl-C."""
        os.write(self._ours, keys.encode())

    def until(self, is_there: Callable[[str], object], seconds: float = 180) -> None:
        """Watch until the screen shows something; fails when it does not within `seconds`."""
        deadline = time.monotonic() + seconds
        while not is_there(self.screen.text):
            assert time.monotonic() < deadline, self.screen.text
            assert self._read(), self.screen.text

    def to_its_end(self, seconds: float = 180) -> int:
        """Watch until the program has ended; its exit code."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, self.screen.text
        return self._process.wait(seconds)

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 1)[0]:
            return True
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # the last program that had it open has ended
            return False
        self.raw += (text := data.decode(errors="replace"))
        self.screen.feed(text)
        self.seen.append(Seen(time.monotonic() - self._began, self.screen.text))
        return bool(data)
