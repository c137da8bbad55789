"""`url` and `psql`: the way to the database."""

import psycopg

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline_tests.cli.in_process import Command
from universe_pipeline_tests.conftest import Universe


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
