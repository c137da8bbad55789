"""`worker`: checks that this host can execute runs of the shared instance, and becomes Celery."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import schema
from universe_pipeline.cli.terminal import note
from universe_pipeline.domain.errors import (
    SchemaTooOldError,
    SettingsError,
    UniverseError,
    UsageError,
)
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.orchestration.execution import instance
from universe_pipeline.orchestration.execution.instance import DAGSTER_HEAD
from universe_pipeline.settings import Settings, environment_of

APP = "universe_pipeline.orchestration.celery_app"
LAUNCHER = "UniverseCeleryLauncher"
ANSWER_SECONDS = 5.0
"""The broker has so long to answer."""

NO_DATABASE = (
    "UNIVERSE_DATABASE_URL is not set: workers share a server of your own, which all hosts reach"
)
NO_CELERY = (
    "`universe worker` needs the extra celery, which is not installed: "
    "pip install -r requirements-deploy.txt, or pip install 'universe-pipeline[celery]'"
)


def work(settings: Settings, slots: int) -> NoReturn:
    """Become a Celery worker that executes at most `slots` runs at a time.

    Raises:
        UsageError: home, database, broker or release are not those of the instance.
    """
    home = _home(settings)
    _require_celery()
    _require_database(settings)
    broker = _require_broker(settings)
    if settings.polygon_api_key is None:
        note("POLYGON_API_KEY is not set: runs that ask the vendor fail on this host")
    note(f"executes up to {slots} runs at a time from {broker}; ctrl-C ends it after them")
    arguments = ["-A", APP, "worker", "-Q", "dagster", "-c", str(slots), "-l", settings.log_level]
    name = f"universe-{os.getpid()}@%h"  # two workers of one host have different names
    environment = {**os.environ, **environment_of(settings), "DAGSTER_HOME": str(home)}
    os.execve(  # noqa: S606  # no shell between
        sys.executable, [sys.executable, "-m", "celery", *arguments, "-n", name], environment
    )


def _home(settings: Settings) -> Path:
    """Dagster's folder, whose file is that of an instance with this launcher."""
    file = settings.effective_dagster_home / instance.FILE
    if not os.path.lexists(file):
        raise UsageError(f"{file} is missing: run `universe init --celery` as on the other hosts")
    if unfit := _unfit(instance.read(file)):
        raise UsageError(f"{file} {unfit}: `universe init --celery` says what differs")
    return instance.use(file)


def _unfit(settings: Mapping[str, Any]) -> str:
    """Why no worker may serve an instance with these settings; empty where one may."""
    if _part(settings, "run_launcher").get("class") != LAUNCHER:
        return f"does not launch runs by {LAUNCHER}"
    if _part(settings, "run_monitoring").get("enabled") is not True:
        return "does not enable run_monitoring, which keeps a run from being executed twice"
    return ""


def _part(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = settings.get(name)
    return cast("dict[str, Any]", part) if isinstance(part, dict) else {}


def _require_celery() -> None:
    try:
        import universe_pipeline.orchestration.celery_launcher  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError as missing:
        if str(missing.name).startswith("universe_pipeline"):
            raise
        raise UsageError(NO_CELERY) from None


def _require_database(settings: Settings) -> None:
    """Return if the database is there, and at this release; a worker never migrates it."""
    if settings.database_url is None:
        raise SettingsError([NO_DATABASE])
    database = wiring.database_as_it_is(settings)
    try:
        with database.connect() as connection:
            schema.require_readable(connection)
            schema.require_dagsters(connection, DAGSTER_HEAD)
    except SchemaTooOldError as old:
        raise UsageError(
            f"the database has schema {old.found}, and this release works on {old.needed}: "
            "run `universe migrate`"
        ) from None
    except UniverseError as unfit:
        raise UsageError(str(unfit)) from None


def _require_broker(settings: Settings) -> str:
    """The broker's address without its password, if it answers."""
    from universe_pipeline.orchestration.celery_launcher import NO_BROKER

    if settings.broker_url is None:
        raise SettingsError([NO_BROKER])
    at = _address(settings.broker_url)
    if refusal := _refusal(settings.broker_url):
        raise UsageError(f"the broker of UNIVERSE_BROKER_URL, {at}, is not usable: {refusal}")
    return at


def _refusal(url: str) -> str:
    """What a Redis says, or why there is none; empty where it answers."""
    from redis import Redis, RedisError

    patience = {"socket_connect_timeout": ANSWER_SECONDS, "socket_timeout": ANSWER_SECONDS}
    try:
        with Redis.from_url(url, **patience) as broker:
            broker.ping()
    except (RedisError, OSError, ValueError) as refused:
        return visible(refused)
    return ""


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}{parts.path}"
