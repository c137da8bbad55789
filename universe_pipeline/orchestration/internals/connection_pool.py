"""All of Dagster's storages in a process use one pool of connections, so that they are bounded.

Dagster makes an instance for each tick of a sensor, and gives each of its three storages a pool of
its own, whose connections last until the garbage is collected.
"""

from typing import Any

from universe_pipeline.adapters.postgres.connecting.pools import pool_of


def share_pool(storage: Any, statement_timeout: int) -> None:
    """Let `storage`, one of Dagster's three, use the process's pool, also under the webserver.

    Args:
        storage: a storage of dagster-postgres.
        statement_timeout: of its statements, in milliseconds; 0 = none.
    """

    def optimize_for_webserver(statement_timeout: int, **_: int) -> None:
        before = storage._engine  # noqa: SLF001  # Dagster has no hook
        storage._engine = pool_of(storage.postgres_url, statement_timeout)  # noqa: SLF001  # likewise
        if before is not storage._engine:  # noqa: SLF001  # likewise
            before.dispose()

    dispose = storage.dispose

    def dispose_pool() -> None:
        """Close what is idle; an instance that is still in use makes connections again."""
        dispose()
        storage._engine.dispose()  # noqa: SLF001  # as above

    storage.optimize_for_webserver, storage.dispose = optimize_for_webserver, dispose_pool
    optimize_for_webserver(statement_timeout)
