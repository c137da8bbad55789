"""`url` and `psql`: the way to the database."""

import psycopg

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline_tests.conftest import Universe
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.embedded_homes import fresh_home


def test_the_url_is_one_that_others_can_connect_to(command: Command, database: Database) -> None:
    ended = command("url", POLYGON_API_KEY="")

    assert ended.code == 0
    assert ended.out == f"{database.url}\n"
    with psycopg.connect(ended.out.strip()) as connection:
        assert connection.execute("SELECT count(*) FROM daily_bars").fetchone() == (0,)


def test_psql_runs_a_statement(universe: Universe) -> None:
    ended = universe("psql", "-At", "-c", "SELECT count(*), 'rows' FROM daily_bars")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0|rows\n", "")


def test_psql_is_given_the_password_where_other_accounts_cannot_read_it(
    universe: Universe, database: Database
) -> None:
    glue = "&" if "?" in database.url else "?"
    chosen = {"UNIVERSE_DATABASE_URL": f"{database.url}{glue}password=open%20sesame"}
    shell = r"\! tr '\0' ' ' </proc/$PPID/cmdline; echo; printenv PGPASSWORD"

    ended = universe("psql", "-c", shell, env=chosen)

    arguments, password = ended.stdout.splitlines()
    assert "dbname=test_" in arguments
    assert "sesame" not in arguments
    assert password == "open sesame"  # noqa: S105  # a stand-in


LIBPQ = {
    "PGSERVICE": "elsewhere",
    "PGHOSTADDR": "10.0.0.1",
    "PGPORT": "1",
    "PGUSER": "stranger",
    "PGDATABASE": "another",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGTARGETSESSIONATTRS": "standby",
    "PGGSSENCMODE": "require",
    "PGSSLMODE": "verify-full",
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "German",
    "PGTZ": "Asia/Kathmandu",
    "PGOPTIONS": "-csearch_path=pg_catalog",
    "PGREQUIRESSL": "1",
    "PGNOTYETKNOWN": "1",
}


def test_the_environment_of_libpq_never_reaches_the_embedded_server(universe: Universe) -> None:
    with fresh_home() as home:
        chosen = {**LIBPQ, "UNIVERSE_DATABASE_URL": "", "UNIVERSE_HOME": str(home)}

        status = universe("status", env=chosen)
        seen = universe(
            "psql", "-At", "-c", "SELECT current_setting('datestyle'), count(*) FROM daily_bars",
            env=chosen,
        )  # fmt: skip
        left = universe("psql", "-c", r"\! printenv", env=chosen)
        backup = universe("backup", str(home / "universe.dump"), env=chosen)

    assert (status.returncode, status.stderr) == (0, "")
    assert "none asked for yet" in status.stdout
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "ISO, MDY|0\n", "")
    # Debian's psql sets some of the others by itself.
    assert {"PGREQUIRESSL", "PGNOTYETKNOWN", "PGSERVICE"}.isdisjoint(
        line.partition("=")[0] for line in left.stdout.splitlines()
    )
    assert (backup.returncode, backup.stderr) == (0, "")
