"""Dagster resources: plain adapters built from the settings when a run first needs them.

They hold no configuration of their own, so that no secret can get into Dagster's.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from typing import Self

import dagster as dg
from pydantic import PrivateAttr

from universe_pipeline import wiring
from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.coverage.cover import Version
from universe_pipeline.adapters.postgres.coverage.streaks import Bars
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.loading.decoding import DecodingWorker
from universe_pipeline.loading.quality.while_loading import Judged
from universe_pipeline.orchestration.run_job import recorded
from universe_pipeline.orchestration.tags import DAILY_UPDATE, lock_of
from universe_pipeline.settings import Settings, settings


class PostgresResource(dg.ConfigurableResource["PostgresResource"]):
    """The PostgreSQL database of the settings.

    A run holds a lock in it for as long as it lives, and works on a load job if it loads bars.
    """

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Self]:
        """Hold the run's lock, and work on its load job, for as long as the run lasts."""
        if context.run is None:
            yield self
            return
        with liveness.held(self.database, lock_of(context.run.run_id)) as hold:
            if not hold:  # the command that made the run has it, or this resource in `postgres_io`
                yield self
                return
            with recorded(context, context.run, self.database, self.settings):
                yield self

    @cached_property
    def database(self) -> Database:
        """The database at this release's schema, ready to be read and judged."""
        return wiring.open_for_judging(self.settings)

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return settings()


class PolygonResource(dg.ConfigurableResource["PolygonResource"]):
    """The vendor's API, at the pace that all processes on the database share."""

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
            connection: the one that stores its answers, if any does.
            worker: decodes its answers; None: one of its own.

        Raises:
            WrongVendorError: another vendor filled the database.
        """
        urgent = run.job_name == DAILY_UPDATE
        with (
            wiring.claimed(settings(), connection),
            wiring.open_client(settings(), database, urgent=urgent, worker=worker) as client,
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
