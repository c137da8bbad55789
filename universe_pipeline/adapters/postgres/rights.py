"""What roles of their own may do: one loads, one reads. Neither may change a table."""

from typing import LiteralString

import psycopg
from psycopg import sql

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.domain.foreign_text import visible

_LOADER = """
    GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role};
    GRANT USAGE ON SCHEMA public, dagster TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, dagster TO {role};
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public, dagster TO {role};
    REVOKE INSERT, UPDATE, DELETE
        ON public.universe_schema_version, dagster.alembic_version FROM {role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public, dagster
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public, dagster GRANT USAGE, SELECT ON SEQUENCES TO {role}
    """
"""Which schema a database has is the owner's to say."""

_READER = """
    GRANT CONNECT ON DATABASE {database} TO {role};
    GRANT USAGE ON SCHEMA public TO {role};
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}
    """

RIGHTS: dict[str, LiteralString] = {"loader": _LOADER, "reader": _READER}
"""By what a role is for."""

MAY = {"loader": "load, and neither make, change nor drop a table", "reader": "read"}
"""What each of them allows, in words."""


def grant(connection: Connection, rights: str, role: str) -> bool:
    """Give `role` the rights of `RIGHTS`, on what there is and what later migrations make.

    Args:
        connection: of the role that owns the schemas and their tables.
        rights: a name in `RIGHTS`.
        role: made, without a password, where it does not exist.

    Returns:
        Whether it was made.

    Raises:
        UsageError: `role` owns the tables, or does not exist and this role may not make it.
    """
    named = {"role": sql.Identifier(role), "database": sql.Identifier(connection.info.dbname)}
    with connection.transaction():
        _require_other(connection, role)
        is_new = _make(connection, role)
        connection.execute(sql.SQL(RIGHTS[rights]).format(**named))
    return is_new


_MAY_ALREADY = """
    SELECT FROM pg_roles r, pg_class c
    WHERE r.rolname = %s AND c.oid = 'public.daily_bars'::regclass
      AND pg_has_role(r.oid, c.relowner, 'USAGE')
    """


def _require_other(connection: Connection, role: str) -> None:
    if connection.execute(_MAY_ALREADY, (role,)).fetchone() is not None:
        raise UsageError(
            f"the role {visible(role)} has the rights of the tables' owner: name another role"
        )


def _make(connection: Connection, role: str) -> bool:
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
    if found.fetchone() is not None:
        return False
    made = sql.SQL("CREATE ROLE {role} LOGIN").format(role=sql.Identifier(role))
    try:
        connection.execute(made)
    except psycopg.errors.InsufficientPrivilege:
        raise UsageError(
            f"the role {visible(role)} does not exist, and {connection.info.user} may not make "
            f"one: let an administrator run {made.as_string(connection)}, then run this again"
        ) from None
    return True
