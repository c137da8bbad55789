"""`build_defs`: two databases in one process, other resources, no environment."""

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.errors import SettingsError
from universe_pipeline.orchestration.build import build_defs
from universe_pipeline.orchestration.resources import PolygonResource, PostgresResource
from universe_pipeline.settings import Settings, load_settings
from universe_pipeline_tests.conftest import START_DATE

SESSION = "2024-07-01"


@pytest.fixture
def chosen(as_user: Callable[[dict[str, str]], None]) -> Settings:
    """The settings of a user, who has the test's database and vendor."""
    as_user({})
    return load_settings()


def on(chosen: Settings, database: Database) -> Settings:
    """`chosen`, with another database."""
    return chosen.model_copy(update={"universe_database_url": SecretStr(database.url)})


def load(definitions: dg.Definitions, folder: Path) -> None:
    job = definitions.resolve_job_def("historical_load")
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        job.execute_in_process(instance=instance, partition_key=SESSION, raise_on_error=False)


def loaded(database: Database) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return connection.execute("SELECT date::text, status FROM session_loads").fetchall()


def test_two_databases_are_loaded_in_one_process(
    chosen: Settings, database: Database, empty_database: Database, tmp_path: Path
) -> None:
    first, second = (build_defs(on(chosen, each)) for each in (database, empty_database))

    load(second, tmp_path)
    before = loaded(database)
    load(first, tmp_path)

    assert before == []
    assert loaded(database) == loaded(empty_database) == [(SESSION, "loaded")]


def test_a_resource_takes_the_place_of_that_of_the_settings(
    chosen: Settings,
    database: Database,
    empty_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("OTHER_DATABASE", empty_database.url)
    other = PostgresResource(given=chosen, url=dg.EnvVar("OTHER_DATABASE"))

    load(build_defs(chosen, resource_overrides={"postgres": other}), tmp_path)

    assert loaded(database) == []
    assert loaded(empty_database) == [(SESSION, "loaded")]


def test_partitions_and_ranges_are_those_of_the_settings(chosen: Settings) -> None:
    changed = {"universe_start_date": date(2024, 1, 10), "universe_sessions_per_run": 5}

    definitions = build_defs(chosen.model_copy(update=changed), executor=dg.multiprocess_executor)

    assets = [definitions.resolve_assets_def(n) for n in ("symbols", "daily_bars", "data_coverage")]
    assert {
        asset.partitions_def and asset.partitions_def.get_first_partition_key() for asset in assets
    } == {"2024-01-10"}
    assert {asset.backfill_policy for asset in assets} == {dg.BackfillPolicy.multi_run(5)}
    assert definitions.executor is dg.multiprocess_executor
    whole = build_defs(chosen).resolve_assets_def("daily_bars").partitions_def
    assert whole is not None
    assert whole.get_first_partition_key() == START_DATE


def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(chosen: Settings) -> None:
    with pytest.raises(SettingsError) as refused:
        _ = PolygonResource(given=chosen, api_key="two words").settings  # pragma: allowlist secret

    assert "two words" not in str(refused.value)


def test_importing_what_is_defined_reads_no_setting() -> None:
    broken = {"UNIVERSE_START_DATE": "soon", "POLYGON_RATE_LIMIT": "fast"}

    ended = subprocess.run(
        [sys.executable, "-c", "import universe_pipeline.orchestration.build"],
        env=broken,
        check=False,
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
