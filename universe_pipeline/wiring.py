"""Plain adapters, built from the settings: the one place that knows which settings go where.

Libraries for loading are imported when something is loaded: `universe status` does without.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from universe_pipeline.adapters.embedded_postgres import attachment, libpq_environment
from universe_pipeline.adapters.postgres import future, schema
from universe_pipeline.adapters.postgres.clock import Clock
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain.errors import EmbeddedServerError, UsageError
from universe_pipeline.domain.sessions import NEW_YORK
from universe_pipeline.settings import Settings

if TYPE_CHECKING:
    from universe_pipeline.adapters.polygon.client import PolygonClient
    from universe_pipeline.adapters.polygon.retry import Patience
    from universe_pipeline.loading.decoding import DecodingWorker
    from universe_pipeline.loading.sessions import Encoding
    from universe_pipeline.monitoring.conditions import Scope
    from universe_pipeline.monitoring.sending import WayOut
    from universe_pipeline.reporting.reading import Wanted


@lru_cache(maxsize=8)
def _attached(home: Path, port: int | None) -> attachment.EmbeddedServer:
    libpq_environment.forget()
    # Kept for the life of the process: the server runs as long as a process is attached.
    return attachment.attach(home, port=port)


def _embedded(settings: Settings) -> attachment.EmbeddedServer:
    return _attached(settings.universe_home, settings.universe_port)


def database_url(settings: Settings) -> str:
    """The URL of the database; starts the embedded server, or joins it, when none is set.

    Raises:
        DatabaseError: the embedded server cannot run here.
    """
    return settings.database_url or _embedded(settings).url


def loopback_url(settings: Settings) -> str:
    """The embedded server's address on loopback, with the password of a role that only reads.

    A server that runs without UNIVERSE_PORT, and that no process uses, is started again.

    Raises:
        UsageError: no port is set, or the database is on an own server.
        DatabaseError: the embedded server cannot run here, or runs without that port.
    """
    from universe_pipeline.adapters.embedded_postgres import loopback

    port = settings.universe_port
    if settings.database_url is not None:
        raise UsageError("UNIVERSE_DATABASE_URL names a server of your own: run `universe url`")
    if port is None:
        raise UsageError("UNIVERSE_PORT is not set: set it to a free port, such as 5433")
    if not loopback.answers_on(_embedded(settings).url, port):
        detach(settings)
        attachment.stop(settings.universe_home)
    url = _embedded(settings).url
    if not loopback.answers_on(url, port):
        raise EmbeddedServerError(
            f"the embedded PostgreSQL runs without UNIVERSE_PORT={port}: end the programs that use "
            "it, `universe up` among them, and run this again"
        )
    return loopback.reader_url(settings.universe_home, url, port)


def detach(settings: Settings) -> None:
    """Let the embedded server be stopped."""
    _embedded(settings).detach()
    _attached.cache_clear()


def database_as_it_is(settings: Settings) -> Database:
    """The database at any schema, not even connected to.

    Raises:
        DatabaseError: the embedded server cannot run here.
    """
    return Database(database_url(settings), settings.universe_types)


@contextmanager
def connected(settings: Settings) -> Generator[Connection]:
    """A connection to the database, at this release's schema, for the block.

    Raises:
        DatabaseError: it cannot be reached, is too old or too new, or refuses the migration.
    """
    database = database_as_it_is(settings)
    with database.connect() as connection:
        schema.run_missing(database, connection)
        future.pull_back(connection, _clock_of(database.url).measure(connection))
        yield connection


@contextmanager
def reading(settings: Settings) -> Generator[Connection]:
    """A connection for the block on which the server refuses every write.

    The database stays as it is: no migration, no moment pulled back. Only one that was never used
    is given its tables first, so that it reads as empty.

    Raises:
        SchemaTooOldError: a migration is missing.
        DatabaseError: it cannot be reached, or a newer release has migrated it; it was never used,
            and refuses the first migration.
    """
    database = replace(database_as_it_is(settings), reads_only=True)
    with database.connect() as connection:
        if schema.current_version(connection) is None:
            schema.bring_up_to_date(database_as_it_is(settings))
        schema.require_readable(connection)
        _clock_of(database.url).measure(connection)
        yield connection


def open_for_reading(settings: Settings) -> Database:
    """The database, whose connections only read; raises as `reading`."""
    with reading(settings):
        return replace(database_as_it_is(settings), reads_only=True)


def open_database(settings: Settings) -> Database:
    """The database, at this release's schema; raises as `connected`."""
    with connected(settings):
        return database_as_it_is(settings)


def open_for_judging(settings: Settings) -> Database:
    """The same, with what checks and views rely on: the calendar, types of the universe."""
    with connected(settings) as connection:
        _prepare(settings, connection)
    return database_as_it_is(settings)


def open_for_loading(settings: Settings) -> Database:
    """The same, of which the vendor is recorded as well.

    Raises:
        WrongVendorError: another vendor filled this database.
    """
    with connected(settings) as connection:
        with claim_database(settings, connection):
            pass  # each load claims it again, for as long as it takes
        _prepare(settings, connection)
    return database_as_it_is(settings)


def _prepare(settings: Settings, connection: Connection) -> None:
    from universe_pipeline.adapters.postgres.bars.quarters import record_calendar
    from universe_pipeline.adapters.postgres.reference.symbols import record_types
    from universe_pipeline.domain.sessions import all_sessions

    record_calendar(connection, all_sessions())
    record_types(connection, settings.universe_types)


@contextmanager
def claim_database(settings: Settings, connection: Connection) -> Generator[None]:
    """Record the vendor as the source of the database, for a block that loads.

    Raises:
        WrongVendorError: another one does.
    """
    from universe_pipeline.adapters.polygon.origins import vendor_of
    from universe_pipeline.adapters.postgres.ledger import vendor

    name = vendor_of(settings.polygon_base_url)
    with vendor.claim_database(connection, name, accept=settings.universe_accept_vendor):
        yield


def require_vendor(settings: Settings) -> None:
    """Return if the vendor can be asked, as far as settings and environment say; it is not asked.

    Raises:
        SettingsError: there is no key, or the environment names a proxy or certificates that
            cannot be used.
    """
    import httpx

    from universe_pipeline.adapters.polygon.proxies import proxy_to, require_passage
    from universe_pipeline.adapters.polygon.trust import trust

    settings.require_api_key()
    base_url = httpx.URL(settings.polygon_base_url)
    if base_url.scheme == "https":
        trust()
    if proxy := proxy_to(base_url):
        require_passage(proxy, base_url)


@contextmanager
def open_client(
    settings: Settings,
    database: Database,
    *,
    urgent: bool = False,
    patience: "Patience | None" = None,
    worker: "DecodingWorker | None" = None,
) -> Generator["PolygonClient"]:
    """The vendor's client for the block, at the pace that all processes on `database` share.

    An urgent one goes before all others. Without `patience` it has the usual one. Its answers are
    decoded by `worker`, which the load may share; without, by a worker of its own.

    Raises:
        SettingsError: as `require_vendor`, but that the proxy is not asked.
    """
    from universe_pipeline.adapters.polygon.client import PolygonClient
    from universe_pipeline.adapters.postgres.pace import SharedPace
    from universe_pipeline.loading.decoding import DecodingWorker

    key = settings.require_api_key()
    pace = SharedPace(
        database,
        settings.polygon_rate_limit,
        per_second=settings.polygon_max_per_second,
        urgent=urgent,
    )
    chosen = {} if patience is None else {"patience": patience}
    connections = settings.universe_concurrency
    client = PolygonClient(
        settings.polygon_base_url,
        key,
        pace=pace,
        connections=connections,
        decoding=(worker or DecodingWorker()).run,
        **chosen,
    )
    try:
        with client:
            yield client
    finally:
        pace.store(client.tally, _clock_of(database.url))
        pace.close()


def encoding(settings: Settings) -> "Encoding":
    """How sessions are encoded."""
    from universe_pipeline.loading.sessions import Encoding

    return Encoding(
        revisit=settings.universe_revisit_sessions,
        batch_rows=settings.universe_batch_size,
        thresholds=settings.thresholds,
    )


def wanted_report(
    settings: Settings, start: date | None = None, end: date | None = None
) -> "Wanted":
    """A report of the sessions from `start` to `end`; of all that is stored, where none is said."""
    from universe_pipeline.reporting.reading import Wanted

    return Wanted(now(settings), start, end, settings.universe_types, settings.thresholds)


def alert_scope(settings: Settings) -> "Scope":
    """What alerts are about."""
    from universe_pipeline.monitoring.conditions import Scope

    return Scope(
        settings.universe_home,
        settings.universe_start_date,
        has_key=settings.polygon_api_key is not None,
        location=settings.universe_location,
    )


def ways_out(settings: Settings) -> "list[WayOut]":
    """The ways by which alerts are sent: the log, and those that are set."""
    from universe_pipeline.monitoring import sending

    ways = [sending.LOG]
    if settings.universe_alert_url is not None:
        ways.append(sending.by_url(settings.universe_alert_url.get_secret_value()))
    if settings.universe_alert_mail is not None:
        ways.append(sending.by_mail(settings.universe_alert_mail.get_secret_value()))
    return ways


@dataclass(frozen=True, slots=True)
class Expected:
    """What a number of requests will take at the pace that is set."""

    requests: int
    per_minute: int

    @property
    def minutes(self) -> float:
        """Minutes; 0 when unpaced."""
        return self.requests / self.per_minute if self.per_minute else 0.0


def new_york() -> ZoneInfo:
    """The exchange's time zone."""
    return ZoneInfo(NEW_YORK)


@lru_cache(maxsize=8)
def _clock_of(url: str) -> Clock:
    return Clock(Database(url))


def clock(settings: Settings) -> Callable[[], datetime]:
    """The database's clock. An entry point takes it once, and passes it on (or a moment of it).

    Raises:
        DatabaseError: the embedded server cannot run here.
    """
    return _clock_of(database_url(settings))


def now(settings: Settings) -> datetime:
    """The database's time: UTC, timezone-aware.

    Raises:
        DatabaseError: it cannot be reached.
    """
    return clock(settings)()
