"""`doctor`: is everything there that a load needs, and what would a full one take?"""

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from universe_pipeline import wiring
from universe_pipeline.adapters.polygon.retry import Patience
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.clock import MOST_OFF, database_time, off
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.holders import paces
from universe_pipeline.adapters.postgres.hosts import differences, hosts
from universe_pipeline.adapters.postgres.reference.symbols import stored_types
from universe_pipeline.adapters.postgres.summaries.figures import server_version
from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.others import different_limits
from universe_pipeline.cli.terminal import note, result, verdict
from universe_pipeline.domain.bars import Answer, Bars, Failed
from universe_pipeline.domain.errors import (
    AccessError,
    FailureKind,
    UniverseError,
    VendorError,
)
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.sessions import FIRST_SESSION, newest_closed, sessions_between
from universe_pipeline.settings import Settings, no_key

BYTES_A_SESSION = 2.0e6
"""Measured: 20 years of bars with their indexes take about 11 GB."""

HASTY = Patience(attempts=3)
"""A person waits: three seconds of retries instead of half a minute."""

PLAN_YEARS = (2, 5, 10)
"""How far back the vendor's plans reach; the largest has everything since 2003-09-10."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    verdict: Literal["ok", "warn", "fail"]
    what: str
    text: str


def examine(settings: Settings) -> int:
    """Print one line for everything that was looked at; 1 if anything fails."""
    findings: list[Finding] = []
    for finding in _examination(settings):
        findings.append(finding)
        pad = " " * (5 - len(finding.verdict))
        result(verdict(finding.verdict).append(f"{pad}{finding.what:10}{visible(finding.text)}"))
    return FAILED if any(finding.verdict == "fail" for finding in findings) else DONE


def _examination(settings: Settings) -> Iterator[Finding]:
    database = yield from _database(settings)
    # Without the database's time, this machine's will do for an estimate.
    now = datetime.now(UTC) if database is None else wiring.now(settings)
    sessions = len(sessions_between(settings.universe_start_date, newest_closed(now)))
    yield _disk(settings, sessions)
    yield _pace(settings)
    if database is not None:
        yield from _other_limits(settings, database)
    yield _full_load(settings, sessions)
    if settings.polygon_api_key is None:
        yield Finding("fail", "key", no_key())
    elif database is not None:
        yield from _vendor(settings, database, newest_closed(now))


def _database(settings: Settings) -> Generator[Finding, None, Database | None]:
    try:
        database = wiring.open_database(settings)
    except UniverseError as error:
        yield Finding("fail", "database", str(error))
        return None
    with database.connect() as connection:
        kind = "own server" if settings.database_url else "embedded"
        version = server_version(connection)
        yield Finding("ok", "database", f"PostgreSQL {version}, {kind}, {database.address}")
        yield Finding("ok", "schema", f"up to date at {schema.current_version(connection)}")
        yield from _stored_types(settings, stored_types(connection))
        yield _clock(datetime.now(UTC) - database_time(connection))
    return database


def _stored_types(settings: Settings, stored: Sequence[str]) -> Iterator[Finding]:
    chosen = settings.universe_types
    if stored and set(stored) != set(chosen):
        yield Finding(
            "warn",
            "views",
            f"UNIVERSE_TYPES is {','.join(chosen)} here, and SQL sessions that set no types see "
            f"{','.join(stored)}; docs/data.md (universe_types) says how to change them",
        )


def _clock(ahead: timedelta) -> Finding:
    if abs(ahead) <= MOST_OFF:
        return Finding("ok", "clock", "this machine's agrees with the database's")
    return Finding("warn", "clock", f"this machine's is {off(ahead)} the database's: set it by NTP")


def _disk(settings: Settings, sessions: int) -> Finding:
    folder: Path = settings.universe_home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    needed = sessions * BYTES_A_SESSION
    verdict = "ok" if free > needed else "warn"
    return Finding(verdict, "disk", f"{free / 1e9:,.0f} GB free at {folder}")


def _pace(settings: Settings) -> Finding:
    limit = settings.polygon_rate_limit
    text = f"{limit} requests a minute, all processes together" if limit else "unpaced"
    return Finding("ok", "pace", text)


def _other_limits(settings: Settings, database: Database) -> Iterator[Finding]:
    with database.connect() as connection:
        for line in different_limits(settings.polygon_rate_limit, paces(connection)):
            yield Finding("warn", "limits", line)
        for line in differences(hosts(connection)):
            yield Finding("warn", "hosts", line)


def _full_load(settings: Settings, sessions: int) -> Finding:
    takes = wiring.Expected(sessions, settings.polygon_rate_limit)
    hours = (
        f"about {takes.minutes / 60:,.1f} hours" if takes.per_minute else "as fast as it answers"
    )
    size = sessions * BYTES_A_SESSION / 1e9
    start = settings.universe_start_date
    return Finding(
        "ok", "full load", f"{sessions:,} sessions since {start}: {hours}, {size:,.0f} GB"
    )


def _vendor(settings: Settings, database: Database, newest: date) -> Iterator[Finding]:
    limit = settings.polygon_rate_limit
    if limit and limit < len(PLAN_YEARS) + 2:
        note("asking the vendor, which may take a minute at this pace …")
    address = settings.polygon_base_url
    wiring.require_vendor(settings)
    # The pace has a connection of its own, which does not explain what the database refuses.
    with database.connect(), wiring.open_client(settings, database, patience=HASTY) as client:
        try:
            types = client.ticker_types()
        except AccessError as refused:
            yield Finding("ok", "vendor", f"{address} answers")
            yield Finding("fail", "key", refused.message)
            return
        except VendorError as error:
            yield Finding("fail", "vendor", _no_answer(settings, error))
            return
        yield Finding("ok", "vendor", f"{address} answers")
        yield Finding("ok", "key", f"accepted by {address}")
        unknown = [code for code in settings.universe_types if code not in types]
        if unknown:
            yield Finding(
                "warn", "types", f"UNIVERSE_TYPES has unknown codes: {', '.join(unknown)}"
            )
        try:
            yield _reach(newest, lambda day: _reaches(client.grouped_daily(day)))
        except VendorError as error:
            yield Finding("fail", "vendor", _no_answer(settings, error))


def _no_answer(settings: Settings, error: VendorError) -> str:
    address = settings.polygon_base_url
    said = error.message if address in error.message else f"{address}: {error.message}"
    return f"{said}; check POLYGON_BASE_URL, the network and HTTPS_PROXY (the key was not judged)"


def _reaches(answer: Answer) -> bool:
    """Whether the plan reaches back to the session of the answer.

    Raises:
        VendorError: the answer does not say.
    """
    match answer:
        case Failed(error) if error.kind is not FailureKind.OUTSIDE_PLAN:
            raise error
        case _:
            return isinstance(answer, Bars)


def _reach(newest: date, reaches: Callable[[date], bool]) -> Finding:
    """The longest span of the vendor's plans that a session is answered for.

    Raises:
        VendorError: a session's answer does not say.
    """
    try:
        if reaches(FIRST_SESSION):
            return Finding("ok", "plan", f"reaches back to {FIRST_SESSION}, the beginning")
        for years in reversed(PLAN_YEARS):
            day = sessions_between(newest - timedelta(days=365 * years - 7), newest)[0]
            if reaches(day):
                return Finding("warn", "plan", f"reaches back {years} years (to about {day})")
    except AccessError as error:
        return Finding("fail", "plan", f"daily bars are not part of it: {error.message}")
    return Finding("warn", "plan", f"reaches back less than {PLAN_YEARS[0]} years")
