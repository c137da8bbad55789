"""`restore` of files and into databases that are not ours: refused by name, nothing run."""

import os
import re
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.backups.backup_file import client_program
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline_tests.support.command_in_process import Command

OBJECTS = """
    SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    """

FUNCTION = "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"


def dump(database: Database, file: Path, *arguments: str) -> None:
    """What any stranger can make: a file of the real pg_dump."""
    address, environment = database.for_program()
    with database.connect() as connection:
        program = client_program("pg_dump", connection.info.server_version // 10000)
    subprocess.run(
        [program, *(arguments or ("-Fc",)), "-f", file, "-d", address], check=True, env=environment
    )


def is_empty(database: Database) -> bool:
    with database.connect() as connection:
        return connection.execute(OBJECTS.encode()).fetchall() == []


def roles(database: Database) -> list[str]:
    """Roles that this process has left on the server; other tests may use theirs."""
    ours = f"^universe_restore_{os.getpid()}_"
    with database.connect() as connection:
        found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ %s", (ours,))
        return [row[0] for row in found]


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (FUNCTION, "FUNCTION public.evil()"),
        ("CREATE PROCEDURE evil() LANGUAGE sql AS 'SELECT 1'", "PROCEDURE public.evil()"),
        (
            f"{FUNCTION}; CREATE TRIGGER t BEFORE INSERT ON symbols EXECUTE FUNCTION evil()",
            "FUNCTION public.evil()",
        ),
        (
            """CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
            CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION e()""",
            "FUNCTION public.e()",
        ),
        (
            """CREATE TRIGGER t BEFORE UPDATE ON symbols FOR EACH ROW
            EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
            "TRIGGER public.symbols t",
        ),
        ("CREATE RULE r AS ON INSERT TO symbols DO ALSO NOTIFY x", "RULE public.symbols r"),
        ("CREATE POLICY p ON symbols USING (true)", "POLICY public.symbols p"),
        ("CREATE FOREIGN DATA WRAPPER w", "FOREIGN DATA WRAPPER w"),
        (
            """CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
            CREATE FOREIGN TABLE f (a text) SERVER s""",
            "FOREIGN DATA WRAPPER w",
        ),
        ("SELECT lo_create(77)", "BLOB"),
        ("CREATE PUBLICATION p FOR TABLE symbols", "PUBLICATION p"),
        (
            "CREATE AGGREGATE more(float8) (SFUNC = float8pl, STYPE = float8)",
            "AGGREGATE public.more",
        ),
        ("CREATE VIEW v AS SELECT pg_read_file('/etc/passwd')", "VIEW public.v"),
        ("CREATE VIEW v AS SELECT query_to_xml('SELECT 1', true, true, '')", "VIEW public.v"),
        ("CREATE TABLE t (a oid DEFAULT lo_import('/etc/passwd'))", "TABLE public.t"),
        ("CREATE TABLE t (a text CHECK (a <> pg_read_file('/etc/passwd')))", "TABLE public.t"),
    ],
)
def test_a_backup_that_would_run_anything_is_refused_by_name(
    command: Command,
    database: Database,
    empty_database: Database,
    tmp_path: Path,
    made: str,
    named: str,
) -> None:
    with database.connect() as connection:
        connection.execute(made.encode())
    dump(database, tmp_path / "theirs.dump")

    ended = command("restore", "theirs.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(
        f"universe: theirs.dump is refused, and nothing of it was run: it holds {named}"
    )
    assert ended.err.count("\n") == 1
    assert is_empty(empty_database)
    assert roles(empty_database) == []


def test_tables_and_views_of_the_user_are_restored_with_ours(
    command: Command, database: Database, empty_database: Database, tmp_path: Path
) -> None:
    made = """
        CREATE SCHEMA mine;
        CREATE TABLE mine.notes (
            id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            "a;b$c" text DEFAULT E'it''s \\\\ $x',
            at timestamptz DEFAULT now() CHECK (at > '2000-01-01')
        );
        CREATE INDEX ON mine.notes (lower("a;b$c")) WHERE "a;b$c" <> '--';
        INSERT INTO mine.notes ("a;b$c") VALUES ('x');
        COMMENT ON TABLE mine.notes IS 'it''s; /* mine */ -- $$';
        CREATE MATERIALIZED VIEW mine.newest AS SELECT max(at) FROM mine.notes;
        CREATE FUNCTION mine.after(day date DEFAULT NULL) RETURNS TABLE (at timestamptz)
            LANGUAGE sql STABLE PARALLEL SAFE AS $$SELECT at FROM mine.notes WHERE at > day$$;
        CREATE VIEW mine.some AS SELECT "a;b$c" ~ '^\\w' AS "is; word" FROM mine.notes
        """
    with database.connect() as connection:
        connection.execute(made.encode())
    assert command("backup", "universe.dump").code == 0

    ended = command("restore", "universe.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, ended.err) == (0, "")
    with empty_database.connect() as connection:
        found = connection.execute('SELECT "is; word" FROM mine.some, mine.newest').fetchall()
        owners = connection.execute(
            "SELECT DISTINCT relowner = current_user::regrole FROM pg_class WHERE oid >= 16384"
        ).fetchall()
    assert found == [(True,)]
    assert owners == [(True,)]
    assert roles(empty_database) == []
    assert stat.S_IMODE((tmp_path / "universe.dump").stat().st_mode) == 0o600


def numbered(number: int) -> bytes:
    return bytes([number < 0]) + abs(number).to_bytes(4, "little")


def text(value: str | None) -> bytes:
    return numbered(-1) if value is None else numbered(len(value.encode())) + value.encode()


def archive_of(*entries: tuple[str, str, str, str]) -> bytes:
    """A file as pg_dump 15 writes it, with what its program would never write.

    Args:
        entries: kind, name in schema public, SQL, COPY statement.
    """
    head = b"PGDMP" + bytes([1, 14, 0, 4, 8, 1]) + numbered(0) + 7 * numbered(1)
    made = [head, text("universe"), text("15.1"), text("15.1"), numbered(len(entries))]
    for number, (kind, name, statement, copy) in enumerate(entries):
        made += [numbered(number + 1), numbered(1), text("0"), text("0"), text(name), text(kind)]
        made += [numbered(2), text(statement), text(""), text(copy), text("public"), text("")]
        made += [text("heap"), text("universe"), text("false"), text(None), bytes(9)]
    return b"".join(made)


READS = "CREATE FUNCTION public.x(day date) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE"
OURS = ("TABLE DATA", "universe_schema_version", "", "COPY public.x (a) FROM stdin;\n")


@pytest.mark.parametrize(
    ("kind", "statement", "copy"),
    [
        ("TABLE", "CREATE TABLE public.x (a int); COPY x FROM PROGRAM 'touch ran';", ""),
        ("TABLE", "CREATE TABLE public.x AS SELECT 1;", ""),
        ("TABLE", "CREATE TABLE public.x (a int);\n-- '\nDO 'BEGIN END'; -- '", ""),
        ("TABLE", "CREATE TABLE public.x (a text DEFAULT E'\\''); DO $$BEGIN END$$; --');", ""),
        ("TABLE", "CREATE TABLE public.x (a text DEFAULT '\\'); DO 'BEGIN END'; --');", ""),
        ("TABLE", "CREATE TABLE public.x (a int) /* ; */; DO 'BEGIN END';", ""),
        ("TABLE", "CREATE TABLE public.x (a int DEFAULT U&\"lo\\005fimport\"('x'));", ""),
        ("TABLE", "CREATE TABLE public.x (a oid DEFAULT \"lo_import\"('x'));", ""),
        ("FUNCTION", f"{READS} AS $$SELECT pg_read_file('x')$$;", ""),
        ("FUNCTION", f"{READS} AS $$SELECT 1$$; DO $$BEGIN END$$;", ""),
        ("FUNCTION", f"{READS} AS $$SELECT 1; SELECT 2$$;", ""),
        ("FUNCTION", f'{READS} AS $$SELECT 1 -- "\n$$;', ""),
        ("FUNCTION", f"{READS.replace('STABLE', 'VOLATILE')} AS $$DELETE FROM symbols$$;", ""),
        ("FUNCTION", f"{READS.replace('sql', 'plpgsql')} AS $$BEGIN END$$;", ""),
        ("STDSTRINGS", "SET standard_conforming_strings = 'off';", ""),
        ("SEARCHPATH", "SELECT pg_read_file('x');", ""),
        ("COMMENT", "DO 'BEGIN END';", ""),
        ("TABLE DATA", "", "COPY public.x (a) FROM PROGRAM 'touch ran';\n"),
        ("TABLE DATA", "", "COPY public.x FROM '/etc/passwd';\n"),
        ("TABLE DATA", "DO 'BEGIN END';", "COPY public.x FROM stdin;\n"),
        ("TABLE DATA", "", "DO 'BEGIN END'; COPY public.x FROM stdin;\n"),
        ("EXTENSION", "CREATE EXTENSION x;", ""),
        ("", "DO 'BEGIN END';", ""),
    ],
)
def test_a_forged_file_is_judged_by_its_statements_not_its_titles(
    command: Command,
    empty_database: Database,
    tmp_path: Path,
    kind: str,
    statement: str,
    copy: str,
) -> None:
    (tmp_path / "forged.dump").write_bytes(archive_of(OURS, (kind, "x", statement, copy)))

    ended = command("restore", "forged.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, ended.out) == (2, "")
    assert f"nothing of it was run: it holds {kind} public.x, " in ended.err
    assert is_empty(empty_database)


def plain(database: Database, file: Path) -> None:
    dump(database, file, "-Fp")


def tar(database: Database, file: Path) -> None:
    dump(database, file, "-Ft")


def of_a_stranger(database: Database, file: Path) -> None:
    with database.connect() as connection:
        connection.execute("DROP TABLE universe_schema_version")
    dump(database, file)


def nothing(_: Database, file: Path) -> None:
    file.touch()


def cut_in_its_contents(database: Database, file: Path) -> None:
    dump(database, file)
    file.write_bytes(file.read_bytes()[:2000])


@pytest.mark.parametrize("make", [plain, tar, of_a_stranger, nothing, cut_in_its_contents])
def test_what_is_no_backup_of_ours_is_refused(
    command: Command,
    database: Database,
    empty_database: Database,
    tmp_path: Path,
    make: Callable[[Database, Path], None],
) -> None:
    make(database, tmp_path / "theirs.dump")

    ended = command("restore", "theirs.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("universe: theirs.dump is not a backup of `universe backup`: ")
    assert ended.err.count("\n") == 1
    assert is_empty(empty_database)


@pytest.mark.parametrize("version", ["9999", "0000", "abcd", "'"])
def test_a_backup_of_another_schema_is_refused_before_anything_runs(
    command: Command, database: Database, empty_database: Database, version: str
) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE universe_schema_version SET version_num = %s", (version,))
    assert command("backup", "newer.dump").code == 0

    ended = command("restore", "newer.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    found = version if version.isdigit() else "unknown"
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"universe: newer.dump is a backup of schema {found}, and this release knows 0001 to "
        f"{schema.HEAD}: restore it with the release that made it, or a newer one\n"
    )
    assert is_empty(empty_database)


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE TABLE mine (a int)", "table mine"),
        ("CREATE VIEW mine AS SELECT 1", "view mine"),
        ("CREATE SEQUENCE mine", "sequence mine"),
        ("CREATE SCHEMA mine", "schema mine"),
        ("CREATE SCHEMA mine; CREATE TABLE mine.mine (a int)", "table mine.mine"),
        ("CREATE TYPE mine AS ENUM ('a')", "type mine"),
        ("CREATE TYPE mine AS (a int)", "type mine"),
        (FUNCTION, "function evil()"),
        ("SELECT lo_create(77)", "large object 77"),
    ],
)
def test_a_database_in_which_anything_was_made_is_not_filled(
    command: Command,
    database: Database,
    empty_database: Database,
    made: str,
    named: str,
) -> None:
    assert command("backup", "universe.dump").code == 0
    with empty_database.connect() as connection:
        connection.execute(made.encode())

    ended = command("restore", "universe.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert (ended.code, ended.out) == (2, "")
    assert f"is in use, it holds the {named}: restore into one without tables" in ended.err
    with empty_database.connect() as connection:
        assert schema.current_version(connection) is None
    assert database.url != empty_database.url


@pytest.fixture
def watched(
    tmp_path: Path, environment: dict[str, str], empty_database: Database
) -> Callable[[], Sequence[str]]:
    """Puts a pg_restore first that asks, in its place, what the role may do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    with empty_database.connect() as connection:
        major = connection.info.server_version // 10000
    real = client_program("pg_restore", major)
    file = folder / "pg_restore"
    file.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\n'
        f'for last; do :; done; echo "$last|$PGPASSWORD" >>{tmp_path}/asked\nexec {real} "$@"\n'
    )
    file.chmod(0o755)
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    return lambda: (tmp_path / "asked").read_text().splitlines()


def test_nothing_of_a_file_runs_as_a_superuser(
    command: Command,
    database: Database,
    empty_database: Database,
    watched: Callable[[], Sequence[str]],
) -> None:
    assert command("backup", "universe.dump").code == 0

    assert command("restore", "universe.dump", UNIVERSE_DATABASE_URL=empty_database.url).code == 0

    (address,) = [line for line in watched() if "dbname=" in line]
    assert re.search(r"user=universe_restore_\w+", address)
    assert roles(database) == []


def test_a_role_that_is_not_a_superuser_restores_as_itself(
    command: Command,
    database: Database,
    empty_database: Database,
) -> None:
    assert command("backup", "universe.dump").code == 0
    with empty_database.connect() as connection:
        named = {"database": sql.Identifier(connection.info.dbname)}
        connection.execute("CREATE ROLE plain_restorer LOGIN")
        connection.execute(
            sql.SQL("ALTER DATABASE {database} OWNER TO plain_restorer").format(**named)
        )
    url = empty_database.url.replace("//universe@", "//plain_restorer@")
    try:
        ended = command("restore", "universe.dump", UNIVERSE_DATABASE_URL=url)

        assert (ended.code, ended.err) == (0, "")
        with psycopg.connect(url) as connection:
            owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE oid >= 16384"
            assert connection.execute(owners).fetchall() == [("plain_restorer",)]
    finally:
        with empty_database.connect() as connection:
            connection.execute("REASSIGN OWNED BY plain_restorer TO universe")
            connection.execute("DROP ROLE plain_restorer")
    assert database.url != url


def test_a_restore_that_fails_in_the_middle_leaves_neither_tables_nor_a_role(
    command: Command, database: Database, empty_database: Database
) -> None:
    """A row that breaks what a table demands comes after others are restored."""
    with database.connect() as connection:
        connection.execute("CREATE TABLE zz (a int)")
        connection.execute("INSERT INTO zz VALUES (5)")
        connection.execute("ALTER TABLE zz ADD CONSTRAINT c CHECK (a < 3) NOT VALID")
        connection.execute("UPDATE pg_constraint SET convalidated = true WHERE conname = 'c'")
    assert command("backup", "universe.dump").code == 0

    ended = command("restore", "universe.dump", UNIVERSE_DATABASE_URL=empty_database.url)

    assert ended.code == 1
    assert re.fullmatch(r"universe: pg_restore failed: .+\n", ended.err)
    assert is_empty(empty_database)
    assert roles(empty_database) == []
