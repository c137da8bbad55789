"""The embedded server on a port of loopback (UNIVERSE_PORT), for one role that reads."""

import secrets
from pathlib import Path

from universe_pipeline.adapters.embedded_postgres.folder import NAME, ServerFolder
from universe_pipeline.adapters.whole_file import OWNER_ONLY, replacing

ROLE = "reader"
"""It may read every table, and write none."""

RULES = f"""\
# Written at each start: who may connect through UNIVERSE_PORT. The rest is in pg_hba.conf.
host {NAME} {ROLE} 127.0.0.1/32 scram-sha-256
include pg_hba.conf
"""

_PORT = "SELECT current_setting('port')::int WHERE current_setting('listen_addresses') <> ''"


def answers_on(url: str, port: int) -> bool:
    """Whether the server at `url` answers on that port; one that was started before may not."""
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(_PORT).fetchone() == (port,)


def reader_url(home: Path, url: str, port: int) -> str:
    """The address on loopback, with the password that the role is given for good.

    Args:
        home: UNIVERSE_HOME, whose account alone can read the password's file.
        url: of the server's socket.
        port: where it answers.
    """
    password = _password(ServerFolder.below(home).path / "reader_password")
    _make_role(url, password)
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{NAME}"


def _password(file: Path) -> str:
    if not file.exists():
        with replacing(file, OWNER_ONLY) as new:
            new.write(secrets.token_urlsafe(24).encode())
    return file.read_text().strip()


def _make_role(url: str, password: str) -> None:
    import psycopg
    from psycopg import sql

    role = sql.Identifier(ROLE)
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        login = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
        connection.execute(login.format(role, sql.Literal(password)))
        reads = sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on")
        connection.execute(reads.format(role))
        connection.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(role))
