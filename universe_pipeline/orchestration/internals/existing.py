"""Tables and columns of Dagster's, which exist since its migrations, and are looked for once.

Dagster looks in the server's catalogue before it stores or reads a record, by two to four queries,
and when it opens a storage, on a connection for each.
"""

from collections.abc import Callable

from universe_pipeline.adapters.postgres.connection import Connection

_HAS_TABLES = """
    SELECT count(*) = 4 AND coalesce(
        has_schema_privilege(to_regnamespace('dagster'), 'USAGE'), false)
    FROM pg_tables
    WHERE schemaname = 'dagster'
      AND tablename IN ('event_logs', 'instance_info', 'jobs', 'runs')
    """
"""By these each of Dagster's storages knows whether it has to make its tables.

A role that may not use the schema has none: the storage then says which right it lacks.
"""


def has_tables(connection: Connection) -> bool:
    """Whether all of Dagster's storages have made their tables, in schema `dagster`."""
    return connection.execute(_HAS_TABLES).fetchone() == (True,)


class Existing:
    """What was found: it stays. What was not found is looked for again."""

    def __init__(self) -> None:
        self._found: set[str] = set()

    def has(self, name: str, look: Callable[[], bool]) -> bool:
        """Whether the table or column is there; `look` asks the server."""
        if name not in self._found and look():
            self._found.add(name)
        return name in self._found
