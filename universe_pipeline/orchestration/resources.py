"""Dagster resources: plain adapters built from the settings when a run first needs them.

The settings are an object that Dagster neither stores nor shows. What deployments vary has a field,
empty unless one is given; give secrets as `dg.EnvVar`, of which Dagster shows the name.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from typing import Self

import dagster as dg
from pydantic import Field, PrivateAttr, SecretStr

from universe_pipeline import wiring
from universe_pipeline.adapters import json_log
from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import Version
from universe_pipeline.adapters.postgres.coverage.streaks import Bars
from universe_pipeline.domain.addresses import is_visible
from universe_pipeline.domain.errors import SettingsError
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.loading.decoding import DecodingWorker
from universe_pipeline.loading.quality.while_loading import Judged
from universe_pipeline.orchestration.internals import fast_storage
from universe_pipeline.orchestration.run_job import recorded
from universe_pipeline.orchestration.tags import DAILY_UPDATE, lock_of
from universe_pipeline.settings import Settings


def _with(given: Settings, **changed: object) -> Settings:
    """`given`, with those of `changed` that are not None."""
    return given.model_copy(
        update={name: value for name, value in changed.items() if value is not None}
    )


def _secret(value: str | None) -> SecretStr | None:
    return None if value is None else SecretStr(value)


class PostgresResource(dg.ConfigurableResource["PostgresResource"]):
    """The PostgreSQL database.

    A run holds a lock in it for as long as it lives, and works on a load job if it loads bars.
    """

    given: dg.ResourceDependency[Settings]
    url: str | None = Field(
        default=None, description="Another database than the settings name; give it as EnvVar."
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Self]:
        """Hold the run's lock, and work on its load job, for as long as the run lasts."""
        if context.run is None:
            yield self
            return
        if context.instance is not None:
            fast_storage.attach(context.instance)
        run_id = context.run.run_id
        with json_log.of_run(run_id), liveness.hold_lock(self.database, lock_of(run_id)) as hold:
            if not hold:  # the command that made the run has it, or this resource in `postgres_io`
                yield self
                return
            with recorded(context, context.run, self.database, self.settings):
                yield self

    @cached_property
    def database(self) -> Database:
        """The database at this release's schema, ready to be read and judged."""
        return wiring.open_for_judging(self.settings)

    @cached_property
    def settings(self) -> Settings:
        """The settings, with the field in place of theirs."""
        return _with(self.given, universe_database_url=_secret(self.url))


class PolygonResource(dg.ConfigurableResource["PolygonResource"]):
    """The vendor's API, at the pace that all processes on the database share."""

    given: dg.ResourceDependency[Settings]
    api_key: str | None = Field(
        default=None, description="Another key than the settings'; give it as EnvVar."
    )
    rate_limit: int | None = Field(
        default=None, description="Requests a minute, instead of the settings'; 0 = unpaced."
    )

    @cached_property
    def settings(self) -> Settings:
        """The settings, with the fields in place of theirs.

        Raises:
            SettingsError: the key cannot be one.
        """
        if self.api_key is not None and not is_visible(self.api_key):
            raise SettingsError(["api_key of the resource polygon holds spaces or is no text"])
        return _with(
            self.given,
            polygon_api_key=_secret(self.api_key),
            polygon_rate_limit=self.rate_limit,
        )

    @contextmanager
    def client(
        self,
        database: Database,
        run: dg.DagsterRun,
        connection: Connection,
        worker: DecodingWorker | None = None,
    ) -> Generator[PolygonClient]:
        """A new client for the block; a daily update goes before a long backfill.

        Args:
            database: whose pace it keeps.
            run: what it works for.
            connection: stores its answers, if they are stored.
            worker: decodes its answers; None: one of its own.

        Raises:
            WrongVendorError: another vendor filled the database.
        """
        urgent = run.job_name == DAILY_UPDATE
        with (
            wiring.claim_database(self.settings, connection),
            wiring.open_client(self.settings, database, urgent=urgent, worker=worker) as client,
        ):
            yield client


class JudgedResource(dg.ConfigurableResource["JudgedResource"]):
    """What a run knows of the bars that it loads; its coverage and checks need not read them again.

    Each run has its own. It is empty where steps run in separate processes: the bars are then read.
    """

    _judged: Judged | None = PrivateAttr(default=None)

    def keep(self, judged: Judged) -> None:
        """Remember what was found until the run ends."""
        self._judged = judged

    def findings(self, connection: Connection, sessions: Sequence[date]) -> list[Finding] | None:
        """What was found of `sessions` as they are stored; None: they have to be read."""
        return self._judged.findings(connection, sessions) if self._judged else None

    def bars(self, versions: Mapping[date, Version]) -> Bars | None:
        """Which symbols have bars in sessions that are stored so; None: they have to be read."""
        return self._judged.bars(versions) if self._judged else None
