"""The wheel, installed into an empty environment outside the clone: demo, up, read."""

import os
import re
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from universe_pipeline_tests.support.documents import REPOSITORY
from universe_pipeline_tests.support.embedded_homes import fresh_home
from universe_pipeline_tests.support.ordinary_server import free_port

pytestmark = pytest.mark.faults

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")

READ = """
import sys, universe_pipeline
from universe_pipeline import read
with read.connect() as data:
    print(len(data.session(data.coverage()["last_date"].max())) > 1000, universe_pipeline.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and the locked versions of what it requires."""
    place = tmp_path_factory.mktemp("release")
    build = ("wheel", "--no-deps", "--no-build-isolation", "-w", place, REPOSITORY)
    subprocess.run([*PIP, *build], check=True, cwd=place)
    (wheel,) = place.glob("*.whl")
    venv.create(place / "venv", with_pip=False)
    python = place / "venv/bin/python"
    locked = re.findall(
        r"^[\w.-]+==[^\\\n]+", (REPOSITORY / "requirements.txt").read_text(), re.MULTILINE
    )
    (place / "locked.txt").write_text("\n".join(locked))
    pip = [*PIP, "--python", python]
    subprocess.run([*pip, "install", "-c", place / "locked.txt", wheel], check=True, cwd=place)
    subprocess.run([*pip, "check"], check=True, cwd=place)
    return place / "venv/bin"


@pytest.fixture(scope="module")
def environment() -> Generator[dict[str, str]]:
    """A user's, with a new home."""
    with fresh_home() as home:
        home.chmod(0o755)
        yield {"PATH": os.environ["PATH"], "HOME": str(home), "UNIVERSE_HOME": str(home / "u")}


def test_the_wheel_demos_serves_and_reads_outside_the_clone(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    of_demo = {**environment, "UNIVERSE_HOME": f"{environment['UNIVERSE_HOME']}/demo"}

    demo = run(tmp_path, environment, installed / "universe", "demo", "--sessions", "3")
    read = run(tmp_path, of_demo, installed / "python", "-I", "-c", READ)

    assert demo.returncode == 0, demo.stderr
    assert "3 of 3 sessions loaded" in demo.stdout
    assert read.stdout.startswith(f"True {installed.parent}"), read.stderr
    assert served(installed, {**of_demo, "UNIVERSE_ACCEPT_VENDOR": "1"}, tmp_path) == 0


def run(
    folder: Path, environment: dict[str, str], *command: str | Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def served(installed: Path, environment: dict[str, str], folder: Path) -> int:
    """Serve the UI until it answers; the exit code of a polite end."""
    port = free_port()
    up = subprocess.Popen(
        [installed / "universe", "up", "--port", str(port)], cwd=folder, env=environment
    )
    try:
        await_page(f"http://127.0.0.1:{port}/server_info", up)
    finally:
        up.send_signal(signal.SIGINT)
        code = up.wait(timeout=120)
    return code


def await_page(address: str, up: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while not answers(address):
        assert time.monotonic() < deadline
        assert up.poll() is None
        time.sleep(0.5)


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).is_success
    except httpx.TransportError:
        return False
