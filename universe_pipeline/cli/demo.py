"""`demo`: everything without a key, against a simulated vendor, in a database of its own."""

import shutil
import time
from pathlib import Path

from pydantic import SecretStr

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import embedded
from universe_pipeline.adapters.postgres.figures import Figures, figures, seconds_a_session
from universe_pipeline.cli.load import historical_range
from universe_pipeline.cli.terminal import note, result
from universe_pipeline.domain.errors import DatabaseError
from universe_pipeline.domain.sessions import all_sessions, newest_closed
from universe_pipeline.settings import Settings, settings, use_settings
from universe_pipeline.simulator.aggregates import PUBLISHED_AFTER
from universe_pipeline.simulator.server import SimulatedVendor


def run(sessions: int, *, serve_at: int | None) -> int:
    """Discover, load the newest `sessions`, check, and say in figures what came of it.

    Args:
        sessions: how many.
        serve_at: port at which the Dagster UI stays up until ctrl-C; None: it is not started.
    """
    home = settings().universe_home / "demo"
    _start_afresh(home)
    with SimulatedVendor() as vendor:
        note(f"simulated vendor at {vendor.base_url}, database under {home}")
        use_settings(demo_settings(home, vendor.base_url))
        newest = newest_closed(wiring.now() - PUBLISHED_AFTER)
        days = [day for day in all_sessions() if day <= newest][-sessions:]
        started = time.monotonic()
        code = historical_range(days[0], days[-1], reload=False)
        _summarise(time.monotonic() - started, home)
        if serve_at is not None:
            from universe_pipeline.cli.up import serve

            return serve(serve_at) or code
    return code


def _summarise(seconds: float, home: Path) -> None:
    with wiring.open_database(settings()).connect() as connection:
        numbers, pace = figures(connection), seconds_a_session(connection)
    for line in _summary(numbers, seconds, pace, home):
        result(line)


def demo_settings(home: Path, base_url: str) -> Settings:
    """Settings that owe nothing to the user's database, key, vendor and pace."""
    return settings().model_copy(
        update={
            "universe_home": home,
            "universe_database_url": None,
            "dagster_home": home / "dagster",
            "polygon_api_key": SecretStr("demo"),
            "polygon_base_url": base_url,
            "polygon_rate_limit": 0,
        }
    )


def _start_afresh(home: Path) -> None:
    """Remove what an earlier demo left, unless it is still in use."""
    if not home.exists():
        return
    if not embedded.stop(home):
        raise DatabaseError(f"the demo's database under {home} is in use: end the other demo first")
    shutil.rmtree(home)


def _summary(numbers: Figures, seconds: float, pace: float, home: Path) -> list[str]:
    loaded = numbers.sessions.get("loaded", 0)
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
        f"look      UNIVERSE_HOME={home} .venv/bin/universe psql",
    ]
