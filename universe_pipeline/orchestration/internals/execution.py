"""Executing a run in this process, recorded as a run of the code location of workspace.yaml."""

from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

MODULE = "universe_pipeline.definitions"


def origin_of(job: str, location: str) -> RemoteJobOrigin:
    """Names a job of a code location, as workspace.yaml does: the UI attributes a run to it."""
    code = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name=MODULE), location_name=location
    )
    return RemoteRepositoryOrigin(code, "__repository__").get_job_origin(job)


def tags_of(origin: RemoteJobOrigin) -> dict[str, str]:
    """The tags by which the UI finds the runs of an origin."""
    return {REPOSITORY_LABEL_TAG: origin.repository_origin.get_label()}


def execute(definition: dg.JobDefinition, run: dg.DagsterRun, instance: dg.DagsterInstance) -> Any:
    """Execute a run that `instance` has recorded; returns Dagster's result."""
    return execute_run(InMemoryJob(definition), run, instance)
