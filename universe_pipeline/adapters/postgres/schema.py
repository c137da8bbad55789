"""Bringing a database to this release's schema: migrations in order, under a lock."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.locks import MIGRATION_LOCK, turn
from universe_pipeline.domain.errors import DatabaseError, SchemaTooNewError

HEAD = "0007"
"""The newest step of migrations/versions; a test holds the two together."""

OLDEST_SERVER = 150000
"""PostgreSQL 15 in the server's own numbering."""


def current_version(connection: psycopg.Connection) -> str | None:
    """The step that the database stands at; None before the first."""
    found = connection.execute("SELECT to_regclass('public.universe_schema_version')").fetchone()
    if found is None or found[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM public.universe_schema_version").fetchone()
    return row[0] if row else None


def bring_up_to_date(database: Database) -> None:
    """Run the migrations that are missing; any number of processes may call this at once.

    Raises:
        SchemaTooNewError: a newer release has migrated the database.
        DatabaseError: the server is older than PostgreSQL 15, or refuses the migration.
    """
    with database.connect() as connection:
        _require_supported_server(connection)
        version = current_version(connection)
        if version == HEAD:
            return
        if version is not None and version > HEAD:
            raise SchemaTooNewError(version)
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        if current_version(connection) != HEAD:  # another process may have been quicker
            _migrate(database)


@contextmanager
def dagsters_migration(database: Database, head: str) -> Generator[bool]:
    """Whether Dagster's tables stand elsewhere than at `head`; then they are ours for the block.

    Raises:
        SchemaTooNewError: its migration, in the block, does not know the step where they stand.
    """
    with database.connect() as connection:
        if _dagsters_version(connection) == head:
            yield False
            return
        with turn(connection, MIGRATION_LOCK):
            version = _dagsters_version(connection)  # another process may have been quicker
            with _unknown_means_newer(version):
                yield version != head


def _dagsters_version(connection: psycopg.Connection) -> str | None:
    row = connection.execute("SELECT version_num FROM dagster.alembic_version").fetchone()
    return row[0] if row else None


@contextmanager
def _unknown_means_newer(version: str | None) -> Generator[None]:
    from alembic.util import CommandError

    try:
        yield
    except CommandError:
        raise SchemaTooNewError(f"{version} of Dagster") from None


def _require_supported_server(connection: psycopg.Connection) -> None:
    if connection.info.server_version < OLDEST_SERVER:
        raise DatabaseError(
            f"PostgreSQL {connection.info.server_version // 10000} is too old: "
            "PostgreSQL 15 or newer is needed"
        )


def _migrate(database: Database) -> None:
    # Heavy, and needed once in a database's life: `universe status` must not pay for it.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ProgrammingError
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = create_engine(
        make_url(database.tables_url).set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, HEAD)
        except ProgrammingError as refused:
            reason = str(refused.orig).strip().splitlines()[0]
            raise DatabaseError(
                f"the database at {database.address} refuses the migration to {HEAD}: {reason}. "
                "The user needs the right to create tables in schema public and to create schemas"
            ) from None
