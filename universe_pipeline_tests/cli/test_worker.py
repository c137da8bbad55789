"""`worker`: a host that cannot serve the instance says why in one line, and executes nothing."""

import sys
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.ordinary_server import free_port

BROKER = "redis://:sesame@127.0.0.1:1/3"


def refused(command: Command, **variables: str) -> str:
    """The one line in which `worker` refuses, as wrong usage."""
    ended = command("worker", **{"UNIVERSE_BROKER_URL": BROKER, **variables})
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert "sesame" not in line
    return line


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A host without a database."""
    return {"HOME": str(tmp_path), "UNIVERSE_HOME": str(tmp_path / "universe")}


@pytest.fixture
def file(tmp_path: Path, command: Command) -> Path:
    """The instance file of a worker, as `init` writes it."""
    command("init", "--celery")
    return tmp_path / "universe" / "dagster" / "dagster.yaml"


def test_a_home_without_an_instance_file_is_refused(command: Command, tmp_path: Path) -> None:
    missing = refused(command)
    (tmp_path / "universe" / "dagster").mkdir(parents=True)
    empty = refused(command)

    assert missing == empty
    assert "dagster.yaml is missing: run `universe init --celery`" in empty
    assert list((tmp_path / "universe" / "dagster").iterdir()) == []


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("UniverseCeleryLauncher", "Another", "does not launch runs by UniverseCeleryLauncher"),
        ("run_launcher:", "other:", "does not launch runs by UniverseCeleryLauncher"),
        ("run_monitoring:\n  enabled: true", "run_monitoring:\n  enabled: false", "run_monitoring"),
        ("universe_pipeline.orchestration.storage", "theirs", "is of another Dagster project"),
    ],
)
def test_a_stale_instance_file_is_refused(
    command: Command, file: Path, before: str, after: str, says: str
) -> None:
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))

    assert says in refused(command)


def test_an_empty_instance_file_is_refused(command: Command, file: Path) -> None:
    file.write_text("")

    assert "is empty" in refused(command)


@pytest.mark.usefixtures("file")
def test_no_database_that_hosts_share_is_refused(command: Command) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"

    assert "UNIVERSE_DATABASE_URL is not set" in refused(command, UNIVERSE_DATABASE_URL="")
    assert "the database" in refused(command, UNIVERSE_DATABASE_URL=nowhere)


@pytest.mark.usefixtures("file")
def test_a_database_of_another_release_is_refused(command: Command, database: Database) -> None:
    says: list[str] = []
    for statement in (
        "UPDATE dagster.alembic_version SET version_num = 'newer'",
        "DROP TABLE dagster.alembic_version",
        "UPDATE universe_schema_version SET version_num = '0001'",
        "UPDATE universe_schema_version SET version_num = '9999'",
    ):
        with psycopg.connect(database.url) as connection:
            connection.execute(statement)
        says.append(refused(command, UNIVERSE_DATABASE_URL=database.url))

    assert "(schema newer of Dagster)" in says[0]
    assert "run `universe migrate`" in says[1]
    assert "run `universe migrate`" in says[2]
    assert "(schema 9999)" in says[3]


@pytest.mark.usefixtures("file")
def test_a_wrong_broker_is_refused(
    command: Command, database: Database, vendor: SimulatedVendor
) -> None:
    of_http = vendor.base_url.replace("http://", "redis://")
    own = {"UNIVERSE_DATABASE_URL": database.url}

    assert "UNIVERSE_BROKER_URL is not set" in refused(command, **own, UNIVERSE_BROKER_URL="")
    assert "redis://127.0.0.1:1/3, is not usable: " in refused(command, **own)
    assert "is not usable" in refused(command, **own, UNIVERSE_BROKER_URL=of_http)


@pytest.mark.usefixtures("file")
def test_a_missing_extra_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "celery", None)
    monkeypatch.delitem(sys.modules, "universe_pipeline.orchestration.celery_launcher", False)

    assert "needs the extra celery" in refused(command)
