"""The account that runs the embedded server: PostgreSQL refuses root. Standard library only."""

import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from universe_pipeline.adapters.embedded_postgres.causes import (
    OWN_SERVER,
    cause,
    how_it_ended,
    not_runnable,
)
from universe_pipeline.adapters.embedded_postgres.folder import ServerFolder
from universe_pipeline.domain.errors import EmbeddedServerError

PR_SET_PDEATHSIG = 1


def bare_environment() -> dict[str, str]:
    """What programs need to run, without secrets and without PostgreSQL's own variables."""
    wanted = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
    kept = {name: os.environ[name] for name in wanted if name in os.environ}
    return kept | {"LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Account:
    """The account that processes run as; a `capable` one may pass any folder.

    The capability is CAP_DAC_READ_SEARCH alone, and only given when root keeps the server below
    a folder that the account cannot enter.
    """

    uid: int
    gid: int
    capable: bool = False

    def __str__(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"

    def start(
        self,
        command: Sequence[str | Path],
        *,
        output: int,
        keeps: Sequence[int] = (),
        dies_by: signal.Signals = signal.SIGKILL,
        stdin: int = subprocess.DEVNULL,
    ) -> "subprocess.Popen[bytes]":
        """Start a process as this account.

        Args:
            command: the program and its arguments.
            output: takes stdout and stderr: an open file, or as for Popen.
            keeps: open files that it and its children inherit.
            dies_by: the signal that it gets when this process dies (Linux; call from the main
                thread, since the kernel watches the thread that forked).
            stdin: as for Popen.

        Raises:
            EmbeddedServerError: the program cannot be run; the text says why.
        """
        try:
            return self._spawn(command, output, keeps, dies_by, stdin)
        except OSError as broken:
            raise not_runnable(command[0], broken) from None

    def _spawn(
        self,
        command: Sequence[str | Path],
        output: int,
        keeps: Sequence[int] = (),
        dies_by: signal.Signals = signal.SIGKILL,
        stdin: int = subprocess.DEVNULL,
    ) -> "subprocess.Popen[bytes]":
        switch = os.geteuid() != self.uid and not self.capable
        # A change of user clears the signal, so setpriv sets it after, as preexec_fn is called.
        tie = None if self.capable else partial(_die_with, os.getpid(), dies_by)
        return subprocess.Popen(  # noqa: S603 - our own commands, no shell
            [*(self._setpriv(dies_by) if self.capable else ()), *command],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=bare_environment(),
            umask=0o077,
            pass_fds=keeps,
            user=self.uid if switch else None,
            group=self.gid if switch else None,
            extra_groups=[] if switch else None,
            preexec_fn=tie if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread
        )

    def objection(self, *command: str | Path) -> str:
        """Why the command fails as this account; empty where it succeeds."""
        try:
            process = self._spawn(command, subprocess.PIPE)
        except OSError as broken:
            return f"{broken.strerror} ({broken.filename})"
        said = process.communicate()[0].decode(errors="replace")
        failed = process.returncode != 0
        return (cause(said) or how_it_ended(process.returncode)) if failed else ""

    def can_enter(self, folder: Path) -> bool:
        """Whether this account can pass every folder down to that one.

        Raises:
            EmbeddedServerError: it cannot run a shell.
        """
        look = self.start(("/bin/sh", "-c", 'cd "$0"', folder), output=subprocess.DEVNULL)
        return look.wait() == 0

    def _setpriv(self, dies_by: signal.Signals) -> tuple[str, ...]:
        return (
            "setpriv",
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            "--clear-groups",
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search",
            # Without it access(2), by which PostgreSQL finds its programs, ignores capabilities.
            "--securebits=+no_setuid_fixup",
            f"--pdeathsig={dies_by.name.removeprefix('SIG')}",
            "--",
        )


def _die_with(parent: int, dies_by: signal.Signals) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(dies_by))
    if os.getppid() != parent:
        os._exit(1)


def account_for(folder: ServerFolder) -> Account:
    """The account that runs the server of `folder`.

    Ours, except for root: then the data's owner, or a system account.

    Raises:
        EmbeddedServerError: root, and no such account can enter the folder.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    return _with_access(_account_of_root(folder.data), folder)


def _account_of_root(data: Path) -> Account:
    if (data / "PG_VERSION").exists():
        return _owner_of(data)
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody`: "
        f"run this as an ordinary user, or {OWN_SERVER}"
    )


def _owner_of(data: Path) -> Account:
    found = data.stat()
    if found.st_uid == 0:
        raise EmbeddedServerError(
            f"{data} belongs to root, and PostgreSQL does not run as root: give it back to the "
            f"account that it had, as by `chown -R nobody {data}`"
        )
    return Account(found.st_uid, found.st_gid)


def _with_access(account: Account, folder: ServerFolder) -> Account:
    if not account.can_enter(folder.home):
        folder.home.chmod(stat.S_IMODE(folder.home.stat().st_mode) | stat.S_IXOTH)
    if account.can_enter(folder.path):
        return account
    capable = replace(account, capable=True)
    if shutil.which("setpriv") and capable.can_enter(folder.path):
        return capable
    closed = next(
        place for place in (*reversed(folder.home.parents), folder.home, folder.path)
        if not account.can_enter(place)
    )  # fmt: skip
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root, and the account {account} cannot enter {closed} (mode "
        f"{stat.S_IMODE(closed.stat().st_mode):04o}): set UNIVERSE_HOME to a folder that it can "
        "reach, such as /var/lib/universe_pipeline"
    )
