"""`application_name`: how the processes of this product are named in `pg_stat_activity`.

`universe daily loader-7:4711` is the process 4711 of the machine loader-7. The connection of a pace
also names its limit: `universe daily loader-7:4711 30/min`.
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from universe_pipeline.adapters.host import host_name

_MOST_BYTES = 63
"""PostgreSQL cuts a longer name."""

_NAME = re.compile(r"(?P<command>.*) (?P<host>[^ :]+):(?P<process>\d+)(?: (?P<limit>\d+)/min)?")

_COMMAND = re.compile(r"[a-z][a-z_-]{1,20}")


@dataclass(frozen=True, slots=True)
class Application:
    """A process as its connections name it."""

    command: str
    host: str | None = None
    process: int | None = None
    per_minute: int | None = None
    """The limit of its pace, on the pace's connection only; 0: unpaced."""

    @property
    def is_here(self) -> bool:
        """Whether it is this very process."""
        return (self.host, self.process) == (host_name(), os.getpid())


def application_name(per_minute: int | None = None) -> str:
    """The name of this process's connections; with its limit where that is given."""
    end = f" {host_name()}:{os.getpid()}" + ("" if per_minute is None else f" {per_minute}/min")
    return _command()[: _MOST_BYTES - len(end)] + end


def parsed(name: str) -> Application:
    """What `application_name` has made; other programs' names are commands without a host."""
    found = _NAME.fullmatch(name)
    if found is None:
        return Application(name)
    limit = None if found["limit"] is None else int(found["limit"])
    return Application(found["command"], found["host"], int(found["process"]), limit)


def _command() -> str:
    """The program and its first word: no option, since its value may be anything."""
    program = Path(sys.argv[0] if sys.argv else "")
    name = program.parent.name if program.stem == "__main__" else program.stem
    words = [word for word in sys.argv[1:2] if _COMMAND.fullmatch(word)]
    return " ".join([name if _COMMAND.fullmatch(name) else "python", *words])
