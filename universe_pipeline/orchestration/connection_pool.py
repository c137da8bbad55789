"""One pool of connections for all of Dagster's storages in a process, so that they are bounded.

Dagster makes an instance for each tick of a sensor and each request of the webserver's code
location, and gives each of its three storages a pool of its own, whose connections last until the
garbage is collected.
"""

from functools import partial
from typing import Any

from dagster_postgres.utils import set_pg_statement_timeout
from sqlalchemy import Engine, create_engine, event

MOST_CONNECTIONS = 8
"""Of one process to its storage; what needs another waits until one is free."""

_KEPT = 2
"""Connections that stay open: making one takes longer than a query."""

_RECYCLE_SECONDS = 3600
_WAIT_SECONDS = 30


_pools: dict[tuple[str, int], Engine] = {}


def share_pool(storage: Any, statement_timeout: int) -> None:
    """Let `storage`, one of Dagster's three, use the process's pool, also under the webserver.

    Args:
        storage: a storage of dagster-postgres.
        statement_timeout: of its statements, in milliseconds; 0 = none.
    """

    def optimize_for_webserver(statement_timeout: int, **_: int) -> None:
        before = storage._engine  # noqa: SLF001  # Dagster has no hook
        storage._engine = _pool(storage.postgres_url, statement_timeout)  # noqa: SLF001  # likewise
        if before is not storage._engine:  # noqa: SLF001  # likewise
            before.dispose()

    dispose = storage.dispose

    def dispose_pool() -> None:
        """Close what is idle; an instance that is still in use makes connections again."""
        dispose()
        storage._engine.dispose()  # noqa: SLF001  # as above

    storage.optimize_for_webserver, storage.dispose = optimize_for_webserver, dispose_pool
    optimize_for_webserver(statement_timeout)


def _pool(url: str, statement_timeout: int) -> Engine:
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
    if statement_timeout:
        limit = partial(_limit, milliseconds=statement_timeout)
        event.listen(engine, "connect", limit)
    return engine


def _limit(connection: Any, _: object, *, milliseconds: int) -> None:
    set_pg_statement_timeout(connection, milliseconds)
