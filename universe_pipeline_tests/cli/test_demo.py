"""`demo`: everything without a key, in any environment, and only with its own database."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from universe_pipeline.adapters.embedded_postgres import attachment
from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.identity.listings import refresh
from universe_pipeline.cli.demo import demo_settings, pages, psql_on_demo, questions
from universe_pipeline.cli.demo_cases import cases
from universe_pipeline.loading import dated_lists
from universe_pipeline.loading.actions import refresh_actions
from universe_pipeline.settings import load_settings
from universe_pipeline.wiring import ways_out
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.planted_world import planted, sessions_until

PROGRAM = Path(sys.executable).parent / "universe"
REPOSITORY = Path(__file__).parents[2]

SUMMARY = ["sessions", "bars", "symbols", "time", "database"]
CASES = ["renamed", "reused", "delisted", "unknown", "splits", "dividends"]
HEADS = [*SUMMARY, *CASES, "close", "report", "Dagster"]
"""How the lines begin that say what came of it."""

NEWEST = date(2024, 7, 9)
NOW = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)


@pytest.fixture
def home() -> Generator[Path]:
    """A short path below /tmp, which the embedded server's unprivileged account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    attachment.stop(folder / "universe" / "demo")
    shutil.rmtree(folder, ignore_errors=True)


def test_the_demo_sends_no_alerts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNIVERSE_ALERT_URL", "https://hooks.example.com/x")
    monkeypatch.setenv("UNIVERSE_ALERT_MAIL", "smtps://mail.example.com/?to=a@example.com")
    monkeypatch.setenv("UNIVERSE_HEARTBEAT_URL", "https://hooks.example.com/y")

    own = demo_settings(load_settings(), tmp_path, "http://127.0.0.1:8080")

    assert (len(ways_out(own)), own.heartbeat_url) == (1, None)


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
    lines = [line for line in done.stdout.splitlines() if line]
    queries = [subprocess.run(["bash", "-c", line], env=environment, cwd=home, capture_output=True,
                              text=True, check=True).stdout for line in lines[-2:]]  # fmt: skip
    lists = run(
        *("psql", "-c", "SELECT count(*) FROM dated_lists"),
        UNIVERSE_HOME=str(home / "universe" / "demo"),
        UNIVERSE_DATABASE_URL="",
    )
    seen = run(
        "status", "--json", UNIVERSE_HOME=str(home / "universe" / "demo"), UNIVERSE_DATABASE_URL=""
    )

    assert done.returncode == 0, done.stderr
    assert "2 of 2 sessions loaded" in done.stdout
    assert "checks: 16 of 18 passed, 2 with warnings" in done.stdout, (
        "of planted identifiers, splits"
    )
    heads = [head for head in HEADS if head != "close"]
    assert [line.split()[0] for line in lines[2:15]] == heads, "two sessions: nothing is adjusted"
    assert "renamed   0 securities" in lines
    assert int(lists.stdout.split("\n")[2]) > 0
    page = home / "universe/demo/report.html"
    assert f"report    {page} (open it in a browser)" in lines
    assert "2 sessions" in re.sub(r"<.*?>", "", page.read_text())
    assert lines[-5:-2] == [
        f"Dagster   {PROGRAM} demo --serve, then:",
        " " * 10 + "http://127.0.0.1:3000/assets/daily_bars?view=partitions, and its tab Checks",
        "Two questions to the database, ready to paste:",
    ]
    assert [answer.split("\n")[-3] for answer in queries] == ["(5 rows)", "(2 rows)"]
    assert json.loads(seen.stdout)["coverage"]["bars"] > 15_000
    assert not (home / "mine").exists()
    assert [path.name for path in (home / "universe").iterdir()] == ["demo"]


def test_each_case_is_counted_and_has_a_planted_example(
    command: Command, connection: Connection
) -> None:
    days = sessions_until(NEWEST)
    with (
        planted(command, NEWEST, now=lambda: NOW) as vendor,
        PolygonClient(vendor.base_url, "key") as client,
    ):
        dated_lists.fetch(client, connection, days[::-21], lambda: NOW)
        refresh(connection)
        refresh_actions(connection, NOW)

    shown = {line.split()[0]: line for line in cases(load_settings(), days[0])}

    assert list(shown) == [*CASES, "close"]
    for head, line in shown.items():
        assert line.startswith(f"{head:10}")
    counted = connection.execute(
        "SELECT count(*) FILTER (WHERE evidence = 'unknown'),"
        " count(*) FILTER (WHERE end_reason = 'delisted') FROM listings"
    ).fetchall()
    assert counted == [tuple(int(shown[head].split()[1]) for head in ("unknown", "delisted"))]
    assert f"FIGOL became FIGNE on {days[-9]}" in shown["renamed"]
    assert "REFND was Refnx Thematic ETF, since" in shown["reused"]
    assert f"DELIN on {days[-7]}" in shown["delisted"]
    assert "WHISSw" in shown["unknown"]
    late = f"1 contradicted (LATES 1:4 of {days[-10]}, applied on {days[-15]})"
    assert late in shown["splits"]
    assert f"doubtful (HUNDR 25 of {days[-9]})" in shown["dividends"]
    (bar,) = connection.execute(
        "SELECT close FROM daily_bars WHERE (symbol, date) = ('ADJUS', %s)", (days[0],)
    ).fetchall()
    (traded, of_splits, total) = map(float, re.findall(r"\d+\.\d\d", shown["close"]))
    assert traded == pytest.approx(bar[0], abs=0.01)
    assert of_splits == pytest.approx(traded / 4, abs=0.01)
    assert of_splits * 0.98 < total < of_splits


def test_the_questions_reach_the_demo_whatever_server_the_user_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/universe"])
    monkeypatch.chdir(tmp_path)
    own = load_settings().model_copy(update={"universe_home": tmp_path / "a b"})
    theirs = own.model_copy(update={"universe_database_url": SecretStr("postgresql://me@x/bars")})

    here, away = shlex.split(psql_on_demo(own)), shlex.split(psql_on_demo(theirs))

    demo = f"{tmp_path}/a b/demo"
    assert here == [f"UNIVERSE_HOME={demo}", ".venv/bin/universe", "psql"]
    assert away[:3] == ["env", "-C", demo]
    assert away[3:] == ["UNIVERSE_DATABASE_URL=", here[0], str(Path(here[1]).absolute()), "psql"]


def test_the_readme_shows_where_the_demo_says_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/universe"])
    shown = (REPOSITORY / "README.md").read_text().partition("```text\n")[2].partition("```")[0]

    lines = [line for line in shown.splitlines() if line]
    assert [line.split()[0] for line in lines[4:18]] == HEADS
    psql = "UNIVERSE_HOME=/home/you/.universe_pipeline/demo .venv/bin/universe psql"
    newest = date.fromisoformat(lines[4].split()[-1])
    assert lines[-2:] == questions(psql, newest)[-2:]
    assert lines[16:19] == pages(Path("/home/you/.universe_pipeline/demo"), 3000, served=False)
