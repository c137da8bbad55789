"""`demo`: everything without a key, against a simulated vendor, in a database of its own."""

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import SecretStr

from universe_pipeline import wiring
from universe_pipeline.adapters.embedded_postgres import attachment
from universe_pipeline.adapters.postgres.summaries.figures import (
    Figures,
    figures,
    seconds_a_session,
)
from universe_pipeline.cli.demo_cases import cases
from universe_pipeline.cli.load import historical_range
from universe_pipeline.cli.report import write_report
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.errors import DatabaseError
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import FIRST_SESSION, all_sessions, newest_closed
from universe_pipeline.loading import dated_lists
from universe_pipeline.orchestration.execution.services import HOST
from universe_pipeline.settings import Settings
from universe_pipeline.simulator.aggregates import PUBLISHED_AFTER
from universe_pipeline.simulator.server import SimulatedVendor

REPORT = "report.html"

_WITH_LISTS = 60
"""Newest sessions of which past lists are fetched: the vendor's planted cases lie in them."""


def run(settings: Settings, sessions: int, *, port: int, serve: bool) -> int:
    """Discover, load the newest `sessions`, check, and say what came of it and where to look.

    Args:
        settings: the user's, of which the demo takes little: see `demo_settings`.
        sessions: how many.
        port: of the Dagster UI.
        serve: whether that is left up until ctrl-C.
    """
    home, psql = settings.universe_home / "demo", psql_on_demo(settings)
    _start_afresh(home)
    with SimulatedVendor(
        planted_until=newest_closed(datetime.now(UTC) - PUBLISHED_AFTER)
    ) as vendor:
        note(f"simulated vendor at {vendor.base_url}, database under {home}")
        own = demo_settings(settings, home, vendor.base_url)
        newest = newest_closed(wiring.now(own) - PUBLISHED_AFTER)
        days = [day for day in all_sessions() if day <= newest][-sessions:]
        own = own.model_copy(update={"universe_start_date": start_of_demo(days[0])})
        started = time.monotonic()
        _fetch_dated_lists(own, days)
        code = historical_range(own, days[0], days[-1], reload=False)
        _summarise(own, time.monotonic() - started)
        for line in cases(own, days[0]):
            result(line)
        write_report(own, home / REPORT)
        for line in (*pages(home, port, served=serve), *questions(psql, days[-1])):
            result(line)
        if serve:
            from universe_pipeline.cli import up

            return up.serve(own, port) or code
    return code


def _fetch_dated_lists(settings: Settings, days: Sequence[date]) -> None:
    """Ask for a list of past tickers a month, so that the load knows who bore a symbol before.

    Today's lists alone do not hold renamed tickers.
    """
    database = wiring.open_for_loading(settings)
    with (
        database.connect() as connection,
        wiring.claim_database(settings, connection),
        wiring.open_client(settings, database) as client,
    ):
        anchors = dated_lists.anchors(days[-_WITH_LISTS:][0], days[-1])
        dated_lists.fetch(client, connection, anchors, wiring.clock(settings))


def _summarise(settings: Settings, seconds: float) -> None:
    with wiring.reading(settings) as connection:
        numbers, pace = figures(connection), seconds_a_session(connection)
    for line in _summary(numbers, seconds, pace, settings.universe_home):
        result(line)


def start_of_demo(first: date) -> date:
    """Two years before the demo's first session: enough to load more in the UI.

    From 2003 on it would also read 430,000 dividends.
    """
    return max(date(first.year - 2, 1, 1), FIRST_SESSION)


def demo_settings(settings: Settings, home: Path, base_url: str) -> Settings:
    """The user's `settings`, but for their database, key, vendor, pace and ways out of alerts."""
    return settings.model_copy(
        update={
            "universe_home": home,
            "universe_database_url": None,
            "universe_port": None,
            "dagster_home": home / "dagster",
            "polygon_api_key": SecretStr("demo"),
            "polygon_base_url": base_url,
            "polygon_rate_limit": 0,
            "universe_alert_url": None,
            "universe_alert_mail": None,
            "universe_heartbeat_url": None,
        }
    )


def _start_afresh(home: Path) -> None:
    """Remove what an earlier demo left, unless it is still in use."""
    if not home.exists():
        return
    if not attachment.stop(home):
        raise DatabaseError(f"the demo's database under {home} is in use: end the other demo first")
    shutil.rmtree(home)


def _summary(numbers: Figures, seconds: float, pace: float, home: Path) -> list[str]:
    loaded = numbers.sessions.get(SessionStatus.LOADED, 0)
    a_session = max(loaded, 1)
    bars = f"{numbers.bars:,} ({numbers.bars // a_session:,} a session)"
    symbols = f"{numbers.symbols:,} known, {numbers.active_symbols:,} active"
    return [
        "",
        f"sessions  {loaded} loaded, {numbers.first_session} to {numbers.last_session}",
        f"bars      {bars}, {numbers.rejected:,} rows rejected",
        f"symbols   {symbols}, {numbers.universe_covered:,} common stocks with bars",
        f"time      {seconds:.1f} s in all, {1000 * pace:.0f} ms a session once they flow",
        f"database  {numbers.database_bytes / 1e6:,.0f} MB under {home}",
    ]


def psql_on_demo(given: Settings) -> str:
    """A psql on the demo's database, ready to paste where the demo was started."""
    home, program = shlex.quote(f"{given.universe_home / 'demo'}"), Path(sys.argv[0])
    if given.database_url is None:
        return f"UNIVERSE_HOME={home} {shlex.quote(str(program))} psql"
    # Neither that variable nor a `.env` here may lead to the user's own server.
    away = f"env -C {home} UNIVERSE_DATABASE_URL= UNIVERSE_HOME={home}"
    return f"{away} {shlex.quote(str(program.absolute()))} psql"


def pages(home: Path, port: int, *, served: bool) -> list[str]:
    """Lines that say where the report lies, and where Dagster shows what is loaded."""
    begin = [] if served else [f"Dagster   {shlex.quote(sys.argv[0])} demo --serve, then:"]
    page = f"http://{HOST}:{port}/assets/daily_bars?view=partitions, and its tab Checks"
    return [
        f"report    {home / REPORT} (open it in a browser)",
        *begin,
        f"{'Dagster' if served else '':10}{page}",
    ]


def questions(psql: str, newest: date) -> list[str]:
    """Lines with two queries of the session `newest`, as commands of a shell."""
    asked = (f'{psql} -c "{query}"' for query in _queries(newest))
    return ["", "Two questions to the database, ready to paste:", "", *asked]


def _queries(newest: date) -> tuple[str, str]:
    busiest = (
        f"SELECT symbol, close, volume FROM universe_bars WHERE date = '{newest}'"
        " ORDER BY volume DESC LIMIT 5"
    )
    one = (
        "SELECT date, close, volume FROM adjusted_bars WHERE symbol = 'AAPL'"
        " ORDER BY date DESC LIMIT 5"
    )
    return busiest, one
