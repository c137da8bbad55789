"""Every program of docs/research.md runs as printed."""

import subprocess
import sys
from collections.abc import Generator
from datetime import date

import pytest

from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline_tests.conftest import database_from
from universe_pipeline_tests.research.planted import plant_dividend, plant_listings, plant_step
from universe_pipeline_tests.support.documents import PAGES, blocks

FIRST, SPLIT, PAID = date(2024, 1, 2), date(2024, 6, 10), date(2024, 8, 12)
DAYS = sessions_between(FIRST, date(2024, 12, 31))
SYMBOLS = ("AAPL", "MSFT", "META", "GONE")

BARS = """
    INSERT INTO daily_bars
    SELECT day, symbol, 10, 11, 9, 10 + extract(month FROM day), 1000, 10, 12, 'grouped'
    FROM unnest(%s::date[]) AS day, unnest(%s::text[]) AS symbol
    """


@pytest.fixture(scope="module")
def filled(server_url: str, template: str) -> Generator[Database]:
    """A year of four securities, of which one is delisted, one splits and one pays."""
    with database_from(server_url, template) as database, database.connect() as connection:
        fill(connection)
        yield database


def fill(connection: Connection) -> None:
    make_quarters(connection, DAYS)
    connection.execute(BARS, (list(DAYS), list(SYMBOLS)))
    connection.execute(
        "INSERT INTO session_loads (date, status, fetched_at)"
        " SELECT day, 'loaded', now() FROM unnest(%s::date[]) AS day",
        (list(DAYS),),
    )
    until = {"GONE": date(2024, 7, 1)}
    ids = plant_listings(
        connection, [(n, one, "CS", FIRST, until.get(one)) for n, one in enumerate(SYMBOLS)]
    )
    plant_step(connection, ids[1], SPLIT, 10.0, 1.0)
    plant_step(connection, ids[0], PAID, 1.0, 1.01)
    plant_dividend(connection, "AAPL", PAID)


@pytest.mark.parametrize("program", blocks("python", PAGES["docs/research.md"]))
def test_an_example_runs_as_printed(program: str, filled: Database) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={"UNIVERSE_DATABASE_URL": filled.url, "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, f"{program}\n{ended.stderr}"
    assert ended.stdout
    assert ended.stderr == ""
