"""Roles and databases with unusual settings: the same rows, or one line that says what to do."""

import psycopg
import pytest

from universe_pipeline.adapters.postgres.connecting import session_settings
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.errors import DatabaseError
from universe_pipeline_tests.databases.conftest import PasswordServer
from universe_pipeline_tests.support.command_in_process import Command

LOAD = ("historical", "--start", "2024-07-01", "--end", "2024-07-03")

UNUSUAL = {
    "datestyle": "German",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Kathmandu",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "300ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "20ms",
    "idle_session_timeout": "200ms",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "search_path": "pg_catalog, elsewhere",
    "client_encoding": "LATIN1",
    "row_security": "off",
    "synchronous_commit": "off",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "exit_on_error": "on",
    "client_min_messages": "error",
}

ROWS = """
    SELECT md5(string_agg((date, symbol, open, high, low, close, volume, vwap)::text, ';'
        ORDER BY date, symbol)), count(*) FROM public.daily_bars
    """


def url(server: PasswordServer, user: str, name: str) -> str:
    return f"postgresql://{user}:secret@127.0.0.1:{server.port}/{name}"


def rows(server: PasswordServer, name: str) -> tuple[str, int]:
    """A fingerprint of the stored bars, and their number, by a session that sets nothing."""
    with psycopg.connect(
        f"postgresql://universe@127.0.0.1:{server.port}", dbname=name, client_encoding="UTF8",
        options="-c default_transaction_read_only=off -c extra_float_digits=1 -c datestyle=ISO",
    ) as connection:  # fmt: skip
        return connection.execute(ROWS).fetchone() or ("", 0)


@pytest.fixture(scope="module")
def reference(password_server: PasswordServer) -> str:
    """A role and a database without any setting of their own, not loaded yet."""
    password_server.owned("usual", "secret", "usual")
    return url(password_server, "usual", "usual")


@pytest.mark.parametrize("kind", ["ROLE", "DATABASE"])
def test_loads_store_the_same_rows_whatever_role_and_database_set(
    password_server: PasswordServer, reference: str, command: Command, kind: str
) -> None:
    name = f"unusual_{kind.lower()}"
    password_server.owned(name, "secret", name)
    password_server.execute(f"CREATE DATABASE {name}_2 OWNER {name}")
    for where in (name,) if kind == "ROLE" else (name, f"{name}_2"):
        for setting, value in UNUSUAL.items():
            quoted = value if setting == "search_path" else f"'{value}'"
            password_server.execute(f"ALTER {kind} {where} SET {setting} = {quoted}")
    unusual = url(password_server, name, name)

    usual = command(*LOAD, UNIVERSE_DATABASE_URL=reference)
    loaded = command(*LOAD, UNIVERSE_DATABASE_URL=unusual)
    again = command(*LOAD, "--reload", UNIVERSE_DATABASE_URL=unusual)
    verified = command("verify", UNIVERSE_DATABASE_URL=unusual)
    saved = command("backup", f"{name}.dump", UNIVERSE_DATABASE_URL=unusual)
    restored = command("restore", f"{name}.dump", UNIVERSE_DATABASE_URL=f"{unusual}_2")

    ended = (usual, loaded, again, verified, saved, restored)
    assert [one.code for one in ended] == [0] * 6, "".join(one.err for one in ended)
    assert rows(password_server, name) == rows(password_server, "usual")
    assert rows(password_server, f"{name}_2") == rows(password_server, "usual")
    assert "Traceback" not in "".join(one.err for one in ended)
    assert "WARNING" not in loaded.err + again.err


def test_a_session_is_the_same_whatever_role_and_database_set(
    password_server: PasswordServer, reference: str
) -> None:
    password_server.owned("strange", "secret", "strange")
    for setting, value in UNUSUAL.items():
        quoted = value if setting == "search_path" else f"'{value}'"
        password_server.execute(f"ALTER ROLE strange SET {setting} = {quoted}")
    settings = set(UNUSUAL) - {"synchronous_commit", "client_min_messages"}

    def shown(address: str) -> dict[str, str]:
        with Database(address).connect() as connection:
            found = connection.execute("SELECT name, setting FROM pg_settings").fetchall()
        return {name: value for name, value in found if name.lower() in settings}

    strange = shown(url(password_server, "strange", "strange"))

    assert len(strange) == len(settings)
    assert strange == {**shown(reference), "TimeZone": "UTC", "DateStyle": "ISO, MDY"}


def test_bytes_without_an_encoding_are_stored_as_they_come(
    password_server: PasswordServer, reference: str, command: Command
) -> None:
    encoding = "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    password_server.owned("bytes", "secret", "bytes", encoding)

    usual = command(*LOAD, UNIVERSE_DATABASE_URL=reference)
    loaded = command(*LOAD, UNIVERSE_DATABASE_URL=url(password_server, "bytes", "bytes"))

    assert (usual.code, loaded.code) == (0, 0), loaded.err
    assert rows(password_server, "bytes") == rows(password_server, "usual")


def put(server: PasswordServer, name: str) -> str:
    """Put an obstacle in the way; gives the URL of the database that has it."""
    match name:
        case "missing":
            server.execute("CREATE ROLE lost LOGIN PASSWORD 'secret'")
            return url(server, "lost", name)
        case "latin":
            server.owned(name, "secret", name, "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        case "poor":
            server.owned("rich", "secret", "rich")
            server.execute("CREATE ROLE poor LOGIN PASSWORD 'secret'")
            return url(server, name, "rich")
        case "expired":
            server.owned(name, "secret", name)
            server.execute(f"ALTER ROLE {name} VALID UNTIL '2020-01-01'")
        case _:
            server.owned(name, "secret", name)
            server.execute(f"ALTER ROLE {name} {name.replace('_', ' ')}")
    return url(server, name, name)


OBSTACLES = {
    "missing": 'database "missing" does not exist. Create it, or correct UNIVERSE_DATABASE_URL',
    "latin": "its encoding is LATIN1",
    "poor": "The user needs the right to create tables",
    "connection_limit_0": "End other sessions, or raise max_connections",
    "nologin": "ALTER ROLE ... LOGIN",
    "expired": "Correct user and",
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_an_obstacle_is_one_line_that_says_what_to_do_in_every_command(
    password_server: PasswordServer, command: Command, name: str
) -> None:
    url = put(password_server, name)
    commands = ("status", "verify", "discover", "errors", "report", "daily", "resume", "url")

    for arguments in (LOAD, *((each,) for each in commands)):
        ended = command(*arguments, UNIVERSE_DATABASE_URL=url)

        assert (ended.code, ended.out) == (1, ""), arguments
        (line,) = ended.err.splitlines()
        assert line.startswith("universe: ")
        assert OBSTACLES[name] in line
        assert "secret" not in line
    examined = command("doctor", UNIVERSE_DATABASE_URL=url)
    assert OBSTACLES[name] in examined.out.splitlines()[0]
    assert "Traceback" not in examined.err


RIGHTS = {
    "": "permission denied for table universe_schema_version",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest": "permission denied for table",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO guest": "may not use the schema dagster",
    "GRANT USAGE ON SCHEMA dagster TO guest": "permission denied for table alembic_version",
    "GRANT SELECT ON ALL TABLES IN SCHEMA dagster TO guest": "permission denied for table",
}


def test_rights_that_are_missing_on_the_way_are_one_line(
    password_server: PasswordServer, command: Command
) -> None:
    password_server.owned("host", "secret", "host")
    password_server.execute("CREATE ROLE guest LOGIN PASSWORD 'secret'")
    assert command(*LOAD, UNIVERSE_DATABASE_URL=url(password_server, "host", "host")).code == 0
    guest = url(password_server, "guest", "host")

    for right, said in RIGHTS.items():
        password_server.execute(right or "SELECT", database="host")
        ended = command(*LOAD, "--reload", UNIVERSE_DATABASE_URL=guest)

        assert ended.code == 1
        assert said in ended.err.splitlines()[-1]
        assert "connect as the role that owns" in ended.err.splitlines()[-1]
        assert "Traceback" not in ended.err


def test_a_standby_is_read_and_what_writes_is_one_line(
    password_server: PasswordServer, command: Command
) -> None:
    password_server.owned("primary", "secret", "primary")
    standby = url(password_server, "primary", "primary")
    assert command(*LOAD, UNIVERSE_DATABASE_URL=standby).code == 0

    with password_server.standby():
        read = [command(each, UNIVERSE_DATABASE_URL=standby) for each in ("status", "errors")]
        both = standby.replace("@", f"@127.0.0.1:{password_server.port},")
        written = [
            command(*LOAD, "--reload", UNIVERSE_DATABASE_URL=standby),
            command("verify", UNIVERSE_DATABASE_URL=standby),
            command("status", UNIVERSE_DATABASE_URL=both),
        ]

    assert [one.code for one in read] == [0, 0]
    assert [one.code for one in written] == [1, 1, 1]
    assert all("name the primary server" in one.err.lower() for one in written)
    assert all(len(one.err.splitlines()) == 1 for one in written)


def test_a_server_that_is_too_old_is_one_line() -> None:
    with pytest.raises(DatabaseError, match="PostgreSQL 14 is too old: PostgreSQL 15 or newer"):
        session_settings.opening_query("public", 140022, "")
