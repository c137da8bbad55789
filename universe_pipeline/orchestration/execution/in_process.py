"""Runs inside the calling process, recorded so that the UI shows them as any other run."""

import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters import machine
from universe_pipeline.adapters.postgres import liveness
from universe_pipeline.adapters.postgres.connecting import losses
from universe_pipeline.adapters.postgres.connecting.obstacles import first_line
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.ledger import load_jobs
from universe_pipeline.domain.errors import DatabaseLostError
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.checks.evaluation import SEVERITY
from universe_pipeline.orchestration.execution import streams
from universe_pipeline.orchestration.execution.instance import open_instance
from universe_pipeline.orchestration.execution.silence import ended_when_silent
from universe_pipeline.orchestration.internals import execution
from universe_pipeline.orchestration.internals.failed_steps import root
from universe_pipeline.orchestration.internals.interrupts import (
    INTERRUPTED,
    exit_on_second_signal,
)
from universe_pipeline.orchestration.internals.names import MAX_RETRIES_TAG, make_new_run_id
from universe_pipeline.orchestration.internals.unstored_events import print_no_statements
from universe_pipeline.orchestration.partitions import tags_of
from universe_pipeline.orchestration.reconciliation import reconcile
from universe_pipeline.orchestration.tags import COMMAND_TAG, JOB_TAG, lock_of
from universe_pipeline.settings import Settings

_OUR_ERROR = re.compile(r"universe_pipeline\.[\w.]+: ")

_LOST = re.compile(r"psycopg2?\.(errors\.)?(OperationalError|InterfaceError|AdminShutdown): ")
"""How a traceback names a lost connection."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check said."""

    asset: str
    check: str
    passed: bool
    severity: str
    """ERROR or WARN: what a failure of the check means."""
    offenders: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    run_id: str
    success: bool
    messages: tuple[str, ...]
    """What the failed steps said, without repetition."""
    check_results: tuple[CheckResult, ...]
    interrupted: bool

    @property
    def failed_checks(self) -> tuple[str, ...]:
        """Names of the checks that failed as errors; a warning is not a failure."""
        failed = (one for one in self.check_results if not one.passed and one.severity == "ERROR")
        return tuple(one.check for one in failed)


class Runs:
    """Runs jobs over sessions, recorded in one Dagster instance."""

    def __init__(
        self, instance: dg.DagsterInstance, database: Database, settings: Settings
    ) -> None:
        self._instance, self._database = instance, database
        self._definitions, self._location = build_defs(settings), settings.universe_location

    def run(
        self,
        job: str,
        sessions: Sequence[date],
        *,
        name: str,
        config: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Ended:
        """Run a job over the sessions from the first to the last of `sessions`.

        Args:
            job: one of the code location's jobs.
            sessions: in order; none for a job without partitions.
            name: the load job that the run works for; a tag of the run.
            config: run configuration by asset or op.
        """
        definition = self._definitions.resolve_job_def(job)
        origin = execution.origin_of(job, self._location)
        run_id = make_new_run_id()
        with liveness.hold_lock(self._database, lock_of(run_id)):
            run = self._instance.create_run_for_job(
                definition,
                run_id=run_id,
                run_config=_run_config(config or {}),
                tags={**tags_of(sessions), **execution.tags_of(origin), **_tags(name)},
                remote_job_origin=origin,
            )
            with self._database.connect() as connection:
                load_jobs.set_run(connection, name, run_id)
            with streams.restored(self._instance.root_directory):
                result = execution.execute(definition, run, self._instance)
        return Ended(
            run_id=run.run_id,
            success=result.success,
            messages=_messages(result, self._database.address),
            check_results=_check_results(result),
            interrupted=any(root(error).cls_name == INTERRUPTED for error in _errors(result)),
        )


@contextmanager
def open_runs(settings: Settings, database: Database) -> Generator[Runs]:
    """Runs on the instance that `settings` name, brought to agree with `database` first."""
    machine.keep_what_is_imported()
    quieten_dagster()
    print_no_statements()
    with (
        ended_when_silent(database) as interrupted,
        exit_on_second_signal(interrupted),
        losses.translate_lost_database(database),
        open_instance(settings) as instance,
    ):
        reconcile(instance, database, wiring.now(settings))
        yield Runs(instance, database, settings)


def _tags(name: str) -> dict[str, str]:
    # A person started it, and sees that it ended: a daemon does not start it again.
    return {JOB_TAG: name, COMMAND_TAG: "true", MAX_RETRIES_TAG: "0"}


def _run_config(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "ops": {asset: {"config": dict(given)} for asset, given in config.items()},
        # The command line shows progress and results; the whole log is in Dagster's storage.
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def _messages(result: Any, address: str) -> tuple[str, ...]:
    """What the failed steps said, without repetition: our own words, or the root of an error.

    Where no step failed, what ended the run outside of them.
    """
    said = dict.fromkeys(
        failure.user_failure_data.description or ""
        if failure.user_failure_data
        else _words(failure.error, address)
        for failure in _failures(result)
    )
    outside = (_words(error, address) for error in _errors_outside_of_steps(result))
    return tuple(said) or tuple(outside)


def _words(error: Any, address: str) -> str:
    """What the root of an error says; where it is one of ours, without the name of its class.

    Where Dagster's storage lost its connection to `address`, what we say of a lost one.
    """
    said = root(error).message.strip()
    if lost := _LOST.match(said):
        return str(DatabaseLostError(address, first_line(Exception(said[lost.end() :]))))
    return _OUR_ERROR.sub("", said)


def _errors(result: Any) -> list[Any]:
    """Those of its steps, and what ended the run before, between or after them."""
    of_steps = [failure.error for failure in _failures(result)]
    return [*of_steps, *_errors_outside_of_steps(result)]


def _errors_outside_of_steps(result: Any) -> list[Any]:
    errors = [
        event.job_failure_data.error if event.is_job_failure else event.job_canceled_data.error
        for event in result.all_events
        if event.is_job_failure or event.event_type is dg.DagsterEventType.RUN_CANCELED
    ]
    return [error for error in errors if error is not None]


def _failures(result: Any) -> list[Any]:
    return [event.step_failure_data for event in result.all_events if event.is_step_failure]


def _check_results(result: Any) -> tuple[CheckResult, ...]:
    """What the checks found in this run, without what was found before."""
    return tuple(
        CheckResult(
            asset=evaluation.asset_key.to_user_string(),
            check=evaluation.check_name,
            passed=evaluation.metadata["offenders"].value == 0,
            severity=str(evaluation.metadata[SEVERITY].value),
            offenders=int(evaluation.metadata["offenders"].value),
        )
        for evaluation in result.get_asset_check_evaluations()
    )


def quieten_dagster() -> None:
    """Keep Dagster's own loggers off the terminal; what matters is said by the commands.

    Also that of its connections: when the database goes away, each is logged with a traceback.
    """
    for name in ("dagster", "sqlalchemy.pool", "psycopg"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_is_no_repetition)


def _is_no_repetition(record: logging.LogRecord) -> bool:
    """Whether it is anything else than a try of Dagster's to connect: the last one is reported."""
    return not str(record.msg).startswith("Retrying failed database connection")
