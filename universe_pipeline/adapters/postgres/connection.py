"""Connections to the database."""

import os
import socket
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

import psycopg

from universe_pipeline.adapters.postgres.connecting import session_settings
from universe_pipeline.adapters.postgres.connecting.address import UNREADABLE, Address, parse
from universe_pipeline.adapters.postgres.connecting.application import application_name
from universe_pipeline.adapters.postgres.connecting.obstacles import (
    in_one_line,
    refusal,
    unreachable,
)
from universe_pipeline.adapters.postgres.connecting.patience import (
    WatchedConnection,
    connect_seconds,
)
from universe_pipeline.domain.errors import DatabaseUnreachableError

Connection = psycopg.Connection
"""What every function of the store takes; importers need not know the driver."""


@dataclass(frozen=True, slots=True)
class Database:
    """One PostgreSQL database by its URL; every call to `connect` is a connection of its own."""

    url: str = field(repr=False)
    types: tuple[str, ...] = ()
    """The universe's types by which its connections filter; none: those that it stores."""
    reads_only: bool = False
    """Whether the server refuses every write of its connections."""

    @property
    def parsed(self) -> Address:
        """The address by its parts.

        Raises:
            DatabaseUnreachableError: it cannot be read.
        """
        try:
            return parse(self.url)
        except ValueError as unreadable:
            raise DatabaseUnreachableError(UNREADABLE, str(unreadable)) from None

    @property
    def address(self) -> str:
        """Where it is, without the password."""
        try:
            return parse(self.url).shown
        except ValueError:
            return UNREADABLE

    def open(self, application: str | None = None) -> psycopg.Connection:
        """A new connection in autocommit mode; transactions are explicit.

        Args:
            application: its `application_name`; None: `application_name()`.

        Raises:
            DatabaseUnreachableError: no server answers, or it refuses the login.
            DatabaseError: the server is too old, or a pooler gives sessions away.
        """
        try:
            conninfo = self.conninfo_of(application or application_name())
            connection = WatchedConnection.connect(conninfo, autocommit=True)
            connection.url = self.conninfo
            try:
                self._begin(connection)
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as refused:
            raise unreachable(self.address, refused) from None
        _take_whole_sessions(connection)
        return connection

    @property
    def conninfo(self) -> str:
        """What this process connects by, as libpq's key=value text."""
        return self.conninfo_of(application_name())

    def conninfo_of(self, application: str) -> str:
        """The same, as a connection that has that name."""
        return self.parsed.for_session(application, connect_seconds())

    def for_program(self) -> tuple[bytes, dict[str, str | bytes]]:
        """As `Address.for_program`, with a session like ours.

        It may write: it is a person's. A pooler refuses `options`: its sessions begin as role and
        database have them.
        """
        address, is_pooled = self.parsed, self.url in _whole
        if is_pooled:
            return address.for_program("")
        own = session_settings.of_types(self.types)
        return address.for_program(session_settings.program_options("public", address.options, own))

    def _begin(self, connection: psycopg.Connection) -> None:
        own = session_settings.of_types(self.types)
        own |= session_settings.READS if self.reads_only else {}
        backend = _begin(connection, self.parsed, "public", own)
        is_pooled = backend != connection.info.backend_pid  # a pooler gives its clients others
        if is_pooled and self.url not in _whole:
            with closing(psycopg.connect(self.conninfo, autocommit=True)) as other:
                if _share_backends(connection, other):
                    raise refusal(self.address, _POOLED)
            _whole.add(self.url)

    @contextmanager
    def connect(self) -> Generator[psycopg.Connection]:
        """A new connection, closed at the end of the block.

        Raises:
            DatabaseUnreachableError: as `open`.
            DatabaseLostError: the server went away in the block, or has no room left.
            DatabaseError: the role may not do it, or the server only reads.
        """
        connection = self.open()
        try:
            yield connection
        except psycopg.Error as error:
            raise in_one_line(self.url, error, error.sqlstate) or error from None
        finally:
            connection.close()


_whole: set[str] = set()
"""URLs of poolers that leave a session its server until it ends."""

_POOLED = (
    "the pooler before it changes servers between transactions, so that locks and settings get "
    "lost: connect to the server itself, or set the pooler's pool_mode to session"
)

_LOOKS = 3


def _begin(
    connection: psycopg.Connection, address: Address, schema: str, own: Mapping[str, str]
) -> int:
    """Prepare the session; returns the process id of its backend."""
    server = connection.info.server_version
    query = session_settings.opening_query(schema, server, address.options, own=own)
    row = connection.execute(query.encode()).fetchone() or ()
    return session_settings.backend(address.shown, schema, row)


def _share_backends(first: psycopg.Connection, second: psycopg.Connection) -> bool:
    """Whether two sessions are given one server in turn, or one session several.

    A pooler gives away the server that was used last: then both get the same. Or it takes turns:
    then the first gets another when it asks twice.
    """
    of_first, of_second = set[int](), set[int]()
    for _ in range(_LOOKS):
        of_first |= {_backend(first), _backend(first)}
        of_second.add(_backend(second))
    return len(of_first) > 1 or not of_first.isdisjoint(of_second)


def _backend(connection: psycopg.Connection) -> int:
    # Prepared, which psycopg does by itself, it would be one server's alone.
    row = connection.execute(f"SELECT {session_settings.BACKEND}", prepare=False).fetchone()
    return row[0] if row else 0


@contextmanager
def commit_or_rollback(connection: psycopg.Connection) -> Generator[None]:
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
