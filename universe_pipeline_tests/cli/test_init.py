"""`init`: the instance file of a host is written once, and compared ever after."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from universe_pipeline.orchestration.execution.instance_files import Launcher, text_of
from universe_pipeline_tests.support.command_in_process import Command

FLAGS = {
    Launcher.ONE_HOST: (),
    Launcher.CELERY: ("--celery",),
    Launcher.KUBERNETES: ("--kubernetes",),
}


CLASSES = {
    Launcher.ONE_HOST: "DefaultRunLauncher",
    Launcher.CELERY: "UniverseCeleryLauncher",
    Launcher.KUBERNETES: "K8sRunLauncher",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user with nothing but a home: the file names no database."""
    return {"HOME": str(tmp_path), "UNIVERSE_HOME": str(tmp_path / "universe")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the instance file will be."""
    return tmp_path / "universe" / "dagster" / "dagster.yaml"


@pytest.mark.parametrize("launcher", list(Launcher))
def test_the_file_is_written_and_then_found_as_it_should_be(
    command: Command, file: Path, launcher: Launcher
) -> None:
    written = command("init", *FLAGS[launcher])
    again = command("init", *FLAGS[launcher])

    assert (written.code, again.code) == (0, 0)
    assert written.out == f"{file} is written, for {launcher}\n"
    assert again.out == f"{file} is as this release writes it for {launcher}\n"
    assert file.read_text() == text_of(launcher, 2)


def test_a_file_that_differs_is_left_and_each_difference_is_named(
    command: Command, file: Path
) -> None:
    command("init")
    edited = file.read_text().replace("max_retries: 2", "max_retries: 7") + "\nsensors: {}\n"
    file.write_text(edited)

    ended = command("init")

    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"{file} differs from what this release writes for one host:",
        "  run_retries.max_retries: 7, this release writes 2",
        "  sensors: {}, this release writes nothing",
    ]
    assert "--replace" in ended.err
    assert file.read_text() == edited


@pytest.mark.parametrize(
    "storage",
    [
        "postgres_url: postgresql://me:sesame@db/bars?options=-csearch_path=dagster",
        "postgres_db: {password: sesame, params: {options: -csearch_path=dagster}}",
    ],
)
def test_a_difference_names_no_password(command: Command, file: Path, storage: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(f"storage:\n  postgres:\n    {storage}\n")

    ended = command("init")

    assert "(hidden), this release writes nothing" in ended.out
    assert "sesame" not in ended.out + ended.err


def test_replace_keeps_the_file_before(command: Command, file: Path) -> None:
    command("init")
    before = file.read_text()

    ended = command("init", "--celery", "--runs", "4", "--replace")

    assert ended.code == 0
    assert "run_launcher.class: nothing, this release writes UniverseCeleryLauncher" in ended.out
    assert file.with_name("dagster.yaml.before").read_text() == before
    assert yaml.safe_load(file.read_text())["concurrency"] == {"runs": {"max_concurrent_runs": 4}}


def test_a_file_of_another_project_is_not_replaced(command: Command, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("storage:\n  sqlite:\n    base_dir: /var/theirs\n")

    ended = command("init", "--replace")

    assert ended.code == 2
    assert "is of another Dagster project" in ended.err
    assert "sqlite" in file.read_text()


def test_one_launcher_is_chosen(command: Command) -> None:
    ended = command("init", "--celery", "--kubernetes")

    assert (ended.code, ended.err) == (
        2,
        "universe: Invalid value: give --celery or --kubernetes, not both\n",
    )


@pytest.mark.parametrize("launcher", list(Launcher))
def test_dagster_accepts_each_file(command: Command, file: Path, launcher: Launcher) -> None:
    command("init", *FLAGS[launcher])

    accepted = InstanceRef.from_dir(str(file.parent))
    settings: Any = accepted.settings

    assert settings["run_monitoring"]["enabled"]
    assert settings["run_retries"]["max_retries"] == 2
    assert accepted.run_launcher_data is not None
    assert accepted.run_launcher_data.class_name == CLASSES[launcher]
