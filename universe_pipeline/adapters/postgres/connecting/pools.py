"""One pool of SQLAlchemy's for a database in this process, so that its connections are bounded."""

from typing import Any

from sqlalchemy import Engine, create_engine, event

MOST_CONNECTIONS = 8
"""Of one pool; what needs another waits until one is free. It must not be few: some work of
Dagster's takes a second one while it has the first."""

_KEPT = 2
"""Connections that stay open: making one takes longer than a query."""

_RECYCLE_SECONDS = 3600
_WAIT_SECONDS = 30

_pools: dict[tuple[str, int], Engine] = {}


def pool_of(url: str, statement_timeout: int) -> Engine:
    """This process's pool; that of another database is closed.

    Args:
        url: as SQLAlchemy takes it.
        statement_timeout: of its statements, in milliseconds; 0 = none.
    """
    for key in [other for other in _pools if other[0] != url]:
        _pools.pop(key).dispose()
    if (url, statement_timeout) not in _pools:
        _pools[url, statement_timeout] = _new_pool(url, statement_timeout)
    return _pools[url, statement_timeout]


def _new_pool(url: str, statement_timeout: int) -> Engine:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=_KEPT,
        max_overflow=MOST_CONNECTIONS - _KEPT,
        pool_recycle=_RECYCLE_SECONDS,
        pool_timeout=_WAIT_SECONDS,
    )

    def limit(connection: Any, _: object) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {statement_timeout:d}")

    if statement_timeout:
        event.listen(engine, "connect", limit)
    return engine
