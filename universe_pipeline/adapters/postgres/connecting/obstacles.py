"""What stands in the way of a database's work, in one line: psycopg's and SQLAlchemy's errors."""

from psycopg import OperationalError, errors

from universe_pipeline.adapters.embedded_postgres.losses import explained
from universe_pipeline.adapters.postgres.connecting.address import parse
from universe_pipeline.domain.errors import (
    DatabaseError,
    DatabaseLostError,
    DatabaseUnreachableError,
)

_WHAT_TO_DO = {
    errors.InsufficientPrivilege.sqlstate: (
        "connect as the role that owns the schemas public and dagster and their tables"
    ),
    errors.ReadOnlySqlTransaction.sqlstate: (
        "it only reads, as a standby does: name the primary server in UNIVERSE_DATABASE_URL "
        "(among several hosts, target_session_attrs=read-write finds it)"
    ),
}


def in_one_line(url: str, error: BaseException, sqlstate: str | None) -> DatabaseError | None:
    """`error` as one of ours, where the database is what has to change.

    Args:
        url: of the database, which was connected to.
        error: a driver's.
        sqlstate: PostgreSQL's code of it.
    """
    address = parse(url).shown
    if what_to_do := _WHAT_TO_DO.get(sqlstate or ""):
        return refusal(address, f"{first_line(error)}; {what_to_do}")
    is_lost = isinstance(error, OperationalError) or type(error).__name__ == "OperationalError"
    return DatabaseLostError(address, explained(url, first_line(error))) if is_lost else None


_BEFORE_LOGIN = {
    "too many": "End other sessions, or raise max_connections or the role's CONNECTION LIMIT",
    "remaining connection slots": "End other sessions, or raise max_connections",
    "query_wait_timeout": "Raise the pooler's pool size: each process needs several sessions",
    "session is read-only": "Name the primary server in UNIVERSE_DATABASE_URL",
    "authentication failed": "Correct user and password in UNIVERSE_DATABASE_URL",
    "startup parameter": (
        "Remove it from UNIVERSE_DATABASE_URL and libpq's environment, or name it in the pooler's "
        "ignore_startup_parameters"
    ),
    "does not exist": "Create it, or correct UNIVERSE_DATABASE_URL",
    "statement timeout": "Raise the statement_timeout of the role or the database",
    "not permitted to log in": "ALTER ROLE ... LOGIN, or name another in UNIVERSE_DATABASE_URL",
}
"""What to do, by what a server says that ends a login; the drivers give no code of it."""


def unreachable(address: str, error: Exception) -> DatabaseUnreachableError:
    """`error` of a driver that tried to connect."""
    said = first_line(error)
    fitting = (what for words, what in _BEFORE_LOGIN.items() if words in said)
    return DatabaseUnreachableError(address, said, next(fitting, None))


def refusal(address: str, why: str) -> DatabaseError:
    """The error that the database at `address` cannot be worked with as it is."""
    return DatabaseError(f"the database at {address} cannot be used: {why}")


def first_line(error: BaseException) -> str:
    """What `error` says, without the lines that only programmers need."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
