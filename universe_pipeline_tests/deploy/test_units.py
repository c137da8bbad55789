"""The units of systemd, as `systemd-analyze` judges them; no systemd has to run for it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

UNITS = Path(__file__).parents[2] / "deploy/systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
SYSTEMDS_OWN = Path("/usr/lib/systemd/system")
PROGRAMS = ("opt/universe_pipeline/.venv/bin/universe", "bin/sh")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine on which the units and the programs that they start are installed."""
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    shutil.copytree(SYSTEMDS_OWN, tmp_path / "usr/lib/systemd/system", symlinks=True)
    for program in PROGRAMS:
        (tmp_path / program).parent.mkdir(parents=True)
        (tmp_path / program).touch(0o755)
    return tmp_path


def analyzed(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments, f"--root={root}", "--no-pager"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip


def test_systemd_has_nothing_to_say_about_the_units(root: Path) -> None:
    verified = analyzed(root, "verify", *sorted(path.name for path in UNITS.iterdir()))

    assert (verified.stderr, verified.returncode) == ("", 0)


def test_it_would_name_a_key_and_a_program_that_it_does_not_know(root: Path) -> None:
    unit = root / "etc/systemd/system/universe.service"
    unit.write_text(unit.read_text().replace("/universe up", "/universal up\nRestartStep=3"))

    verified = analyzed(root, "verify", unit.name)

    assert "Unknown key 'RestartStep'" in verified.stderr
    assert "universal is not executable" in verified.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_an_intruder_in_a_service_could_do_little(root: Path, service: str) -> None:
    judged = analyzed(root, "security", "--offline=yes", service)

    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert float(exposure) <= 1.7
