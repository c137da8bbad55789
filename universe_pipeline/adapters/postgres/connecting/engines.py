"""How SQLAlchemy connects: Dagster's storages through psycopg2, and Alembic through psycopg.

Both prepare their sessions as `connection` does.
"""

from typing import Any, ClassVar

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.pool import NullPool

from universe_pipeline.adapters.postgres.connecting import session_settings
from universe_pipeline.adapters.postgres.connecting.address import parse
from universe_pipeline.adapters.postgres.connection import Database

_DIALECT = "postgresql.universe"

_KEPT_BY_PSYCOPG2 = ("standard_conforming_strings",)
"""psycopg2 quotes strings by the value that it finds when it connects."""

registry.register(_DIALECT, __name__, "SessionDialect")


class SessionDialect(PGDialect_psycopg2):
    """psycopg2's dialect for the URLs of `url_of`; each session is prepared after connecting."""

    supports_statement_cache: ClassVar[bool] = True

    def create_connect_args(self, url: URL) -> tuple[list[Any], dict[str, Any]]:
        """The address as libpq reads it, the schema, and the address as people read it."""
        return [url.password, url.database, url.username], {}

    def connect(self, conninfo: str, schema: str, shown: str) -> Any:
        """A connection of psycopg2, prepared by one round trip."""
        connection = self.loaded_dbapi.connect(conninfo)
        try:
            _prepare(connection, schema, shown)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: Any, schema: str, shown: str) -> None:
    options = connection.get_dsn_parameters().get("options", "")
    connection.autocommit = True
    with connection.cursor() as cursor:
        server = connection.server_version
        query = session_settings.opening_query(schema, server, options, but=_KEPT_BY_PSYCOPG2)
        cursor.execute(query)
        session_settings.backend(shown, schema, cursor.fetchone())
    connection.autocommit = False


def url_of(database: Database, schema: str) -> str:
    """A URL for SQLAlchemy, as Dagster's storages want it: of our dialect above.

    The address stands where SQLAlchemy expects a password, which it shows nowhere.
    """
    address = parse(database.url)
    return URL.create(
        _DIALECT.replace(".", "+"),
        username=address.shown,
        password=database.conninfo,
        database=schema,
    ).render_as_string(hide_password=False)


def migration_engine(database: Database) -> Engine:
    """For Alembic: each connection is one of `database`."""

    def connect() -> Any:
        connection = database.open()
        connection.autocommit = False
        return connection

    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
