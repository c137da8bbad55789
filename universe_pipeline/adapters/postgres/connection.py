"""Connections to the database, and addresses that may be shown to people."""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from universe_pipeline.adapters.postgres.application import application_name
from universe_pipeline.adapters.postgres.embedded_losses import explained
from universe_pipeline.adapters.postgres.patience import (
    CONNECT_SECONDS,
    WatchedConnection,
    connect_seconds,
)
from universe_pipeline.domain.errors import DatabaseLostError, DatabaseUnreachableError

Connection = psycopg.Connection
"""What every function of the store takes; importers need not know the driver."""

_NOTICE_LOST_SERVER = {
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""libpq's own: after 15 s of silence three probes, 5 s apart; 30 s for what was sent."""

_NOTICE_LOST_CLIENT = (
    "-ctcp_keepalives_idle=15 -ctcp_keepalives_interval=5 -ctcp_keepalives_count=3"
    " -ctcp_user_timeout=30000 -cidle_session_timeout=0"
)
"""The same for the server. Its default is the kernel's, two hours, for which it keeps locks.

A connection that is idle by the pace, or that only holds a lock, is not to be ended for that.
"""


def shown(url: str) -> str:
    """The address of a database as `user@host:port/name`: its password is left out."""
    if not _is_readable(url):
        return "UNIVERSE_DATABASE_URL (not a readable postgresql:// address)"
    parts = conninfo_to_dict(url)
    host = parts.get("host") or "localhost"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{parts.get('user') or ''}@{host}{port}/{parts.get('dbname') or ''}"


def without_password(url: str) -> tuple[str, str | None]:
    """`url` as libpq's programs take it, with its password apart from it."""
    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), None if password is None else str(password)


def for_program(url: str) -> tuple[str, dict[str, str]]:
    """`url` as an argument of libpq's programs, and the environment that has its password.

    Everybody on the machine may read a process's arguments; its environment only its owner. A peer
    that has vanished is noticed as in `for_session`.
    """
    address, password = without_password(url)
    given = conninfo_to_dict(address)
    options = " ".join(filter(None, (_NOTICE_LOST_CLIENT, str(given.get("options") or ""))))
    address = make_conninfo("", **{**_NOTICE_LOST_SERVER, **given, "options": options})
    return address, {**os.environ, **({} if password is None else {"PGPASSWORD": password})}


def for_session(url: str, schema: str) -> str:
    """`url` as every connection takes it, Dagster's too.

    Unqualified names are looked up in `schema` only, and a peer that has vanished (power, cable)
    is noticed within half a minute on both sides: its locks are then gone. What `url` says itself
    wins, but for the schema.
    """
    parts = urlsplit(url)
    ours = {"connect_timeout": str(CONNECT_SECONDS), "application_name": application_name()}
    query = {**_NOTICE_LOST_SERVER, **ours, **dict(parse_qsl(parts.query, keep_blank_values=True))}
    given = (_NOTICE_LOST_CLIENT, query.get("options", ""), f"-csearch_path={schema}")
    query["options"] = " ".join(filter(None, given))
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


@dataclass(frozen=True, slots=True)
class Database:
    """One PostgreSQL database by its URL; every call to `connect` is a connection of its own."""

    url: str = field(repr=False)

    @property
    def address(self) -> str:
        """Where it is, without the password."""
        return shown(self.url)

    @property
    def tables_url(self) -> str:
        """The URL with the tables' schema as the only one that is looked in.

        A role that has a schema of its name, as `dagster` may, would look there first.
        """
        return for_session(self.url, "public")

    def open(self, application: str | None = None) -> psycopg.Connection:
        """A new connection in autocommit mode; transactions are explicit.

        Args:
            application: its `application_name`; None: `application_name()`.

        Raises:
            DatabaseUnreachableError: nobody answers, or the login is refused.
        """
        if not _is_readable(self.url):
            raise DatabaseUnreachableError(
                self.address,
                "it cannot be read; in a password, @ is written %40, / %2F, : %3A and % %25",
            )
        try:
            connection = WatchedConnection.connect(
                self.tables_url,
                autocommit=True,
                connect_timeout=connect_seconds(),
                application_name=application or application_name(),
            )
        except psycopg.OperationalError as refused:
            raise DatabaseUnreachableError(self.address, first_line(refused)) from None
        connection.url = self.tables_url
        _take_whole_sessions(connection)
        return connection

    @contextmanager
    def connect(self) -> Generator[psycopg.Connection]:
        """A new connection, closed at the end of the block.

        Raises:
            DatabaseUnreachableError: as `open`.
            DatabaseLostError: the server went away in the block, or has no room left.
        """
        connection = self.open()
        try:
            yield connection
        except psycopg.OperationalError as lost:
            raise DatabaseLostError(self.address, explained(self.url, first_line(lost))) from None
        finally:
            connection.close()


@contextmanager
def ended(connection: psycopg.Connection) -> Generator[None]:
    """Commit at the end of the block what was begun in it, or roll it back where it raises.

    For a BEGIN that is sent along with the statements after it: `Connection.transaction` waits for
    its own, and holds on to a pipeline that it is begun in.
    """
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # a connection that is lost has rolled back
            connection.rollback()
        raise
    connection.commit()


_SESSION_BYTES = 4 * 1024 * 1024


def _take_whole_sessions(connection: psycopg.Connection) -> None:
    """Let a local socket hold what a COPY of one session sends, as far as the system allows.

    Otherwise the sender is woken for every part of it, each time waits until the threads that
    decode give it a turn, and the server waits with it. TCP grows its buffers by itself.
    """
    if hasattr(socket, "AF_UNIX") and connection.info.host.startswith(("/", "@")):
        with socket.socket(socket.AF_UNIX, fileno=os.dup(connection.fileno())) as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SESSION_BYTES)


def _is_readable(url: str) -> bool:
    """Whether the parts are where they seem to be: otherwise a password may pass for a host."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    parts = urlsplit(url)
    return parts.netloc.count("@") <= 1 and "@" not in parts.path


def first_line(error: BaseException) -> str:
    """What `error` says, without the lines that only programmers need."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
