"""Dagster's webserver, asked over GraphQL as its UI does."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

ASSETS = ("symbols", "daily_bars", "data_coverage")
NOT_RETRIED = {"dagster/max_retries": "0"}
"""The tag of a run that the daemon does not run again when its process dies."""

LOCATION = {
    "repositoryLocationName": "universe_pipeline",
    "repositoryName": "__repository__",
}
FINISHED = ("SUCCESS", "FAILURE", "CANCELED")
BACKFILL_FINISHED = ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")
PATIENCE = 240.0
"""Seconds that something bound to happen may take on a busy machine."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partitions of an asset by what the UI shows of them, in order of their sessions."""

    materialized: list[str]
    failed: list[str]
    materializing: list[str]
    all: list[str]

    def within(self, first: str, last: str) -> "Partitions":
        """Those from `first` to `last`."""
        return Partitions(
            *(
                [key for key in keys if first <= key <= last]
                for keys in (self.materialized, self.failed, self.materializing, self.all)
            )
        )

    @property
    def missing_and_failed(self) -> list[str]:
        """What the UI selects by "missing and failed"."""
        return [key for key in self.all if key not in self.materialized]


class Webserver:
    """The webserver at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        question = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.url}/graphql", json=question, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def is_loaded(self) -> bool:
        """Whether the code location is there, without an error."""
        entries = self.ask(
            "{workspaceOrError {... on Workspace {locationEntries {"
            " loadStatus locationOrLoadError {__typename}}}}}"
        )["workspaceOrError"]["locationEntries"]
        return [(one["loadStatus"], one["locationOrLoadError"]) for one in entries] == [
            ("LOADED", {"__typename": "RepositoryLocation"})
        ]

    def daemons(self) -> dict[str, bool]:
        """The daemons that this instance needs, and whether they are healthy."""
        found = self.ask(
            "{instance {daemonHealth {allDaemonStatuses {daemonType required healthy}}}}"
        )["instance"]["daemonHealth"]["allDaemonStatuses"]
        return {one["daemonType"]: bool(one["healthy"]) for one in found if one["required"]}

    # Partitions

    def partitions(self, asset: str) -> Partitions:
        """What is shown of the partitions of `asset`."""
        node = self.ask(
            """
            query ($asset: AssetKeyInput!) { assetNodeOrError(assetKey: $asset) {
                ... on AssetNode { partitionKeys assetPartitionStatuses {
                    ... on TimePartitionStatuses { ranges { status startKey endKey } } } } } }
            """,
            asset={"path": [asset]},
        )["assetNodeOrError"]
        keys: list[str] = node["partitionKeys"]
        shown: dict[str, list[str]] = {"MATERIALIZED": [], "FAILED": [], "MATERIALIZING": []}
        for part in node["assetPartitionStatuses"]["ranges"]:
            first, last = keys.index(part["startKey"]), keys.index(part["endKey"])
            shown[part["status"]] += keys[first : last + 1]
        ordered = [sorted(shown[status]) for status in ("MATERIALIZED", "FAILED", "MATERIALIZING")]
        return Partitions(*ordered, all=keys)

    def materializations(self, asset: str) -> Counter[str | None]:
        """How many materializations of each partition of `asset` are recorded."""
        return Counter(one["partition"] for one in self._materializations(asset, "partition"))

    def metadata(self, asset: str) -> dict[str, dict[str, Any]]:
        """The plain metadata of the newest materialization of each partition of `asset`."""
        found = self._materializations(
            asset,
            "partition runId timestamp metadataEntries { label"
            " ... on IntMetadataEntry { intValue } ... on BoolMetadataEntry { boolValue }"
            " ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr } }",
        )
        newest: dict[str, dict[str, Any]] = {}
        for one in sorted(found, key=lambda one: float(one["timestamp"])):
            newest[one["partition"]] = {
                entry.pop("label"): next(iter(entry.values()), None)
                for entry in one["metadataEntries"]
            } | {"run": one["runId"]}
        return newest

    def _materializations(self, asset: str, fields: str) -> list[dict[str, Any]]:
        return self.ask(
            f"""
            query ($asset: AssetKeyInput!) {{ assetOrError(assetKey: $asset) {{
                __typename ... on Asset {{
                    assetMaterializations(limit: 10000) {{ {fields} }} }} }} }}
            """,
            asset={"path": [asset]},
        )["assetOrError"].get("assetMaterializations", [])

    # Backfills

    def launch_backfill(
        self,
        keys: Sequence[str] | tuple[str, str],
        *,
        assets: Iterable[str] = ASSETS,
        config: Mapping[str, Any] | None = None,
    ) -> str:
        """Launch a backfill of `assets` over partitions that are named; its id."""
        chosen: dict[str, Any] = {
            "assetSelection": [{"path": [asset]} for asset in assets],
            "partitionNames": list(keys),
        }
        if config is not None:
            chosen["runConfigData"] = config
        return self._launch_backfill(chosen)

    def launch_range(self, first: str, last: str, *, is_retried: bool = True) -> str:
        """Launch a backfill of all assets over a range of partitions; its id."""
        partitions = {"range": {"start": first, "end": last}}
        tags = {} if is_retried else NOT_RETRIED
        return self._launch_backfill(
            {
                "partitionsByAssets": [
                    {"assetKey": {"path": [asset]}, "partitions": partitions} for asset in ASSETS
                ],
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            }
        )

    def _launch_backfill(self, chosen: Mapping[str, Any]) -> str:
        answer = self.ask(
            """
            mutation ($chosen: LaunchBackfillParams!) {
                launchPartitionBackfill(backfillParams: $chosen) {
                    __typename
                    ... on LaunchBackfillSuccess { backfillId }
                    ... on PythonError { message stack } } }
            """,
            chosen=chosen,
        )["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return answer["backfillId"]

    def cancel_backfill(self, backfill: str) -> None:
        """Ask for the end of a backfill and of its runs."""
        answer = self.ask(
            "mutation ($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }",
            id=backfill,
        )["cancelPartitionBackfill"]
        assert answer == {"__typename": "CancelBackfillSuccess"}

    def backfill(self, backfill: str) -> dict[str, Any]:
        """Status and runs of a backfill; its `runs` are oldest first."""
        found = self.ask(
            """
            query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
                ... on PartitionBackfill { status timestamp endTimestamp error { message stack }
                    runs { id status startTime endTime tags { key value } } } } }
            """,
            id=backfill,
        )["partitionBackfillOrError"]
        found["runs"] = found["runs"][::-1]
        return found

    def await_runs(self, backfill: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until `count` runs of a backfill are there and have ended; all its runs."""

        def ended() -> bool:
            runs = self.backfill(backfill)["runs"]
            return len(runs) >= count and all(run["status"] in FINISHED for run in runs)

        until(ended)
        return self.backfill(backfill)["runs"]

    def await_backfill(self, backfill: str) -> dict[str, Any]:
        """Wait until a backfill is marked as completed."""
        until(lambda: self.backfill(backfill)["status"] in BACKFILL_FINISHED)
        return self.backfill(backfill)

    # Runs

    def launch_run(
        self, job: str, *, tags: Mapping[str, str], config: Mapping[str, Any] | None = None
    ) -> str:
        """Launch a run of a job; its id."""
        answer = self.ask(
            """
            mutation ($chosen: ExecutionParams!) {
                launchPipelineExecution(executionParams: $chosen) {
                    __typename
                    ... on LaunchRunSuccess { run { id } }
                    ... on PythonError { message stack } } }
            """,
            chosen={
                "selector": {**LOCATION, "jobName": job},
                "runConfigData": config or {},
                "executionMetadata": {
                    "tags": [{"key": key, "value": value} for key, value in tags.items()]
                },
            },
        )["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["id"]

    def terminate(self, run: str) -> None:
        """Ask a run to end, as "terminate" in the UI does."""
        answer = self.ask(
            """
            mutation ($id: String!) { terminateRun(runId: $id) {
                __typename
                ... on TerminateRunFailure { message } ... on PythonError { message stack } } }
            """,
            id=run,
        )["terminateRun"]
        assert answer == {"__typename": "TerminateRunSuccess"}, answer

    def run_status(self, run: str) -> str:
        """A run's status."""
        return self.ask(
            "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run
        )["runOrError"]["status"]

    def await_run(self, run: str) -> str:
        """Wait until a run has ended; its status."""
        until(lambda: self.run_status(run) in FINISHED)
        return self.run_status(run)

    def runs(self) -> list[dict[str, Any]]:
        """All runs, newest first."""
        return self.ask(
            "{ runsOrError { ... on Runs { results { id status jobName tags { key value } } } } }"
        )["runsOrError"]["results"]

    # Schedules

    def schedules(self) -> dict[str, str]:
        """Every schedule and whether it is RUNNING."""
        found = self.ask(
            """
            query ($location: RepositorySelector!) {
                schedulesOrError(repositorySelector: $location) {
                    ... on Schedules { results { name scheduleState { status } } } } }
            """,
            location=LOCATION,
        )["schedulesOrError"]["results"]
        return {one["name"]: one["scheduleState"]["status"] for one in found}

    def tick(self, schedule: str, after: float) -> dict[str, Any]:
        """What the code location answers to the schedule's first tick after `after` (unix time)."""
        return self.ask(
            """
            mutation ($schedule: ScheduleSelector!, $after: Float) {
                scheduleDryRun(selectorData: $schedule, timestamp: $after) {
                    ... on DryRunInstigationTick { timestamp evaluationResult {
                        skipReason error { message stack }
                        runRequests { runKey runConfigYaml tags { key value } } } } } }
            """,
            schedule={**LOCATION, "scheduleName": schedule},
            after=after,
        )["scheduleDryRun"]["evaluationResult"]


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)
