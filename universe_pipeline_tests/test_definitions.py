"""What Dagster finds: names that the outside world relies on, on the same sessions."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from universe_pipeline.definitions import defs

REPOSITORY = Path(__file__).parent.parent
ASSETS = ["symbols", "daily_bars", "data_coverage"]
NO_SETTING = {"PATH": os.environ["PATH"]}


def partitions(asset: str) -> dg.PartitionsDefinition:
    found = defs.resolve_assets_def(asset).partitions_def
    assert found is not None
    return found


def test_the_assets_are_the_tables_of_sessions_and_those_without_partitions() -> None:
    found = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}

    assert found == {*ASSETS, "splits", "dividends", "listings", "report"}


@pytest.mark.parametrize(
    ("asset", "group"),
    [
        ("splits", "corporate_actions"),
        ("dividends", "corporate_actions"),
        ("report", "reports"),
    ],
)
def test_what_has_no_partitions_has_a_group_of_its_own(asset: str, group: str) -> None:
    # "Materialize all" of the group `universe` stays a backfill of one definition of partitions.
    found = defs.resolve_assets_def(asset)

    assert found.partitions_def is None
    assert set(found.group_names_by_key.values()) == {group}


def test_the_assets_share_one_definition_of_their_partitions() -> None:
    assert partitions("symbols") == partitions("daily_bars") == partitions("data_coverage")


def test_partitions_begin_with_the_vendors_first_session() -> None:
    assert partitions("daily_bars").get_partition_keys()[:3] == [
        "2003-09-10",
        "2003-09-11",
        "2003-09-12",
    ]


@pytest.mark.parametrize(
    ("day", "is_partition"),
    [
        ("2003-09-09", False),  # before the vendor's first bars
        ("2003-09-10", True),
        ("2012-10-29", False),  # hurricane Sandy
        ("2018-12-05", False),  # national day of mourning
        ("2024-07-03", True),  # closes at 13:00
        ("2024-07-04", False),
        ("2024-11-28", False),  # Thanksgiving
        ("2024-11-29", True),  # closes at 13:00
        ("2024-11-30", False),  # a Saturday
        ("2025-01-09", False),  # national day of mourning
    ],
)
def test_partitions_are_the_sessions(day: str, is_partition: bool) -> None:
    assert (day in partitions("daily_bars").get_partition_keys()) is is_partition


def test_a_week_with_a_holiday_has_four_partitions() -> None:
    found = [key for key in partitions("symbols").get_partition_keys() if key > "2024-06-30"][:5]

    assert found == ["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05", "2024-07-08"]


def test_a_range_is_one_run() -> None:
    for asset in ASSETS:
        assert defs.resolve_assets_def(asset).backfill_policy == dg.BackfillPolicy.single_run()


def test_jobs_and_schedules_have_the_names_that_people_use() -> None:
    repository = defs.get_repository_def()

    jobs = {"universe_discovery", "daily_update", "verification", "symbol_repair", "error_retry"}
    assert jobs <= {job.name for job in repository.get_all_jobs()}
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "daily_update_after_close",
        "weekly_verification",
    }


def test_resources_have_the_names_that_assets_of_others_ask_for() -> None:
    assert set(defs.resources or {}) == {"judged", "polygon", "postgres", "postgres_io"}


def test_checks_are_named_as_the_sentence_that_is_true_when_they_pass() -> None:
    found = {
        (key.asset_key.to_user_string(), key.name)
        for key in defs.resolve_asset_graph().asset_check_keys
    }

    assert found >= {
        ("daily_bars", "daily_bars_cover_every_session"),
        ("daily_bars", "daily_bars_have_consistent_ohlc"),
        ("daily_bars", "daily_bars_fall_on_sessions"),
        ("symbols", "symbols_are_unique"),
        ("splits", "splits_are_unique"),
        ("splits", "splits_have_usable_ratios"),
        ("splits", "actions_agree_with_prices"),
        ("dividends", "dividends_are_plausible"),
        ("listings", "identities_are_plausible"),
    }


def test_importing_needs_no_setting_writes_nothing_and_connects_to_nothing(tmp_path: Path) -> None:
    no_network = (
        "import socket\n"
        "def refused(*_): raise AssertionError('a connection at import')\n"
        "socket.socket.connect = refused\n"
        "import sys, universe_pipeline.definitions\n"
        "assert not {'altair', 'vl_convert'} & set(sys.modules), 'what draws is slow to import'\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", no_network],
        env={**NO_SETTING, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_the_code_location_loads_without_any_setting(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=REPOSITORY,
        env={**NO_SETTING, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["check", "defs"], "All definitions loaded successfully."),
        (["list", "defs", "--json"], '"daily_bars_cover_every_session"'),
    ],
)
def test_dg_finds_the_definitions(tmp_path: Path, command: list[str], shown: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("dg"), *command],
        cwd=REPOSITORY,
        env={**NO_SETTING, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
    assert "virtual environment" not in done.stdout + done.stderr


def test_everything_that_the_ui_shows_of_the_definitions_is_described() -> None:
    repository = defs.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    nodes = [node for job in repository.get_all_jobs() for node in job.nodes_in_topological_order]
    described = {
        **{job.name: job.description for job in jobs},
        **{node.name: node.definition.description for node in nodes},
        **{one.name: one.description for one in repository.schedule_defs},
        **{one.name: one.description for one in repository.sensor_defs},
        **{name: one.description for name, one in repository.get_top_level_resources().items()},
        **{
            f"{key.asset_key.to_user_string()}.{key.name}": spec.description
            for key in defs.resolve_asset_graph().asset_check_keys
            for spec in [defs.resolve_asset_graph().get_check_spec(key)]
        },
    }

    assert {name for name, text in described.items() if not text} == set()


def test_every_field_of_the_run_configuration_is_described() -> None:
    nodes = [node for job in defs.get_repository_def().get_all_jobs() for node in job.nodes]
    fields = {
        f"{node.name}.{name}": field.description
        for node in nodes
        if isinstance(node.definition, dg.OpDefinition) and node.definition.has_config_field
        for name, field in getattr(node.definition.config_schema.config_type, "fields", {}).items()
    }

    assert {name for name, text in fields.items() if not text} == set()
    assert {name.partition(".")[0] for name in fields} == {
        "daily_bars",
        "dividends",
        "listings",
        "load_chosen_symbols",
        "sample_checks",
        "splits",
        "symbols",
    }
