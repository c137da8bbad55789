"""What a backup is restored into, and as which role: an empty database, and not as a superuser."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager

from psycopg import sql

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain.errors import DatabaseUnreachableError, UsageError
from universe_pipeline.domain.foreign_text import visible

_FIRST_OBJECT = """
    WITH own (class, id, schema) AS (
        SELECT 'pg_class'::regclass, oid, relnamespace FROM pg_class WHERE relkind <> 'c'
        UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
        UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type
            WHERE typelem = 0 AND (typrelid = 0
                OR (SELECT relkind = 'c' FROM pg_class WHERE pg_class.oid = typrelid))
        UNION ALL SELECT 'pg_namespace'::regclass, oid, oid FROM pg_namespace
            WHERE nspname <> 'public'
        UNION ALL SELECT 'pg_largeobject'::regclass, oid, 0 FROM pg_largeobject_metadata
        UNION ALL SELECT 'pg_event_trigger'::regclass, oid, 0 FROM pg_event_trigger
    )
    SELECT pg_describe_object(class, id, 0)
    FROM own LEFT JOIN pg_namespace n ON n.oid = own.schema
    WHERE coalesce(n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema', true)
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = own.class AND d.objid = own.id AND d.deptype = 'e')
    ORDER BY class = 'pg_class'::regclass DESC, id LIMIT 1
    """
"""What the server itself has is not counted, nor what belongs to an extension."""


def require_empty(connection: Connection, address: str) -> None:
    """Refuse a database in which anything was made.

    Raises:
        UsageError: names the first object.
    """
    found = connection.execute(_FIRST_OBJECT).fetchone()
    if found is not None:
        raise UsageError(
            f"the database at {address} is in use, it holds the {visible(found[0])}: restore into "
            "one without tables, by a new UNIVERSE_HOME, or a new database in UNIVERSE_DATABASE_URL"
        )


@contextmanager
def restricted(database: Database) -> Generator[Database]:
    """The database as a role that is not a superuser: for the block, where its own role is one.

    What the role has made belongs to the database's own role afterwards.

    Raises:
        UsageError: the server does not let such a role in.
    """
    with database.connect() as connection:
        if not _is_superuser(connection):
            yield database
            return
        # By the process's number, a role that a kill has left is known for that.
        role = f"universe_restore_{os.getpid()}_{secrets.token_hex(4)}"
        password = secrets.token_hex(16)
        named = {"role": sql.Identifier(role), "database": sql.Identifier(connection.info.dbname)}
        made = sql.SQL("CREATE ROLE {role} LOGIN PASSWORD {password}")
        connection.execute(made.format(**named, password=sql.Literal(password)))
        try:
            connection.execute(sql.SQL(_GRANT).format(**named))
            yield _as_role(database, role, password)
        finally:
            connection.execute(sql.SQL(_HAND_OVER).format(**named))


_GRANT = """
    GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {database} TO {role};
    GRANT CREATE, USAGE ON SCHEMA public TO {role}
    """

_HAND_OVER = """
    REASSIGN OWNED BY {role} TO CURRENT_USER;
    DROP OWNED BY {role};
    DROP ROLE {role}
    """


def _is_superuser(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    return bool(row and row[0])


def _as_role(database: Database, role: str, password: str) -> Database:
    theirs = Database(database.parsed.of_role(role, password).url)
    try:
        theirs.open().close()
    except DatabaseUnreachableError as refused:
        raise UsageError(
            f"{database.address} is a superuser, as which no file is restored, and the server "
            f"does not let a role without that right in: {refused.reason}. Name a role in "
            "UNIVERSE_DATABASE_URL that is not a superuser and may create schemas there"
        ) from None
    return theirs
