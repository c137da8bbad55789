"""`demo`: everything without a key, whatever the environment says, and nothing but its own."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from universe_pipeline.adapters.postgres import embedded

PROGRAM = Path(sys.executable).parent / "universe"


@pytest.fixture
def home() -> Generator[Path]:
    """A short path below /tmp, which the embedded server's unprivileged account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    embedded.stop(folder / "universe" / "demo")
    shutil.rmtree(folder, ignore_errors=True)


def test_the_demo_loads_and_verifies_in_a_database_of_its_own(home: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "UNIVERSE_HOME": str(home / "universe"),
        "UNIVERSE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
        "POLYGON_API_KEY": "",
        "POLYGON_BASE_URL": "https://vendor.example.invalid",
        "POLYGON_RATE_LIMIT": "1",
        "DAGSTER_HOME": str(home / "mine"),
    }

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments],
            env=environment | variables,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("demo", "--sessions", "2")
    seen = run(
        "status", "--json", UNIVERSE_HOME=str(home / "universe" / "demo"), UNIVERSE_DATABASE_URL=""
    )

    assert done.returncode == 0, done.stderr
    assert "2 of 2 sessions loaded" in done.stdout
    assert "checks: 13 of 15 passed, 2 with warnings" in done.stdout
    summary = [line.split()[0] for line in done.stdout.splitlines() if line][-6:]
    assert summary == ["sessions", "bars", "symbols", "time", "database", "look"]
    assert json.loads(seen.stdout)["coverage"]["bars"] > 15_000
    assert not (home / "mine").exists()
    assert [path.name for path in (home / "universe").iterdir()] == ["demo"]
