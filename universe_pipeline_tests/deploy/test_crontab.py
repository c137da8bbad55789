"""The lines of deploy/crontab, run by a shell at chosen moments in other time zones."""

import fcntl
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

CRONTAB = Path(__file__).parents[2] / "deploy/crontab"
LINE = re.compile(r"^(\d+) \* \* \* \* universe (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Machine:
    """A folder in which lines of the crontab run; its `universe` writes down its arguments."""

    folder: Path
    zone: str

    def at(self, moment: str, command: str) -> str:
        """Run a command as cron would at a moment, in UTC; what was started."""
        said = self.folder / "said"
        said.write_text("")
        self.printed(moment, command)
        return said.read_text()

    def printed(self, moment: str, command: str) -> str:
        """Run a command as cron would at a moment, in UTC; what it printed."""
        path = f"{self.folder}:/usr/bin:/bin"
        return subprocess.run(
            ["faketime", f"{moment} UTC", "/bin/sh", "-c", command.replace(r"\%", "%")],
            env={"PATH": path, "TZ": self.zone, "UNIVERSE_HOME": str(self.folder), "LOG": "log"},
            cwd=self.folder, check=False, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip


@pytest.fixture(params=["Europe/Berlin", "Asia/Tokyo"])
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    program = tmp_path / "universe"
    program.write_text('#!/bin/sh\necho "$@" >>said\n')
    program.chmod(0o755)
    return Machine(tmp_path, request.param)


def started(machine: Machine, moment: str) -> list[str]:
    """What cron starts in the minute of a moment."""
    lines = [
        command
        for minute, command in LINE.findall(CRONTAB.read_text())
        if int(minute) == int(moment[-2:])
    ]
    return [said for line in lines for said in machine.at(moment, line).splitlines()]


@pytest.mark.parametrize(
    ("moment", "commands"),
    [
        ("2024-07-12 21:30", ["daily"]),  # Friday 17:30 in New York, in summer
        ("2024-12-13 22:30", ["daily"]),  # and in winter
        ("2024-12-13 21:30", []),
        ("2024-12-14 13:30", ["daily"]),  # Saturday 8:30: what was late on Friday
        ("2024-12-14 22:30", []),
        ("2024-12-14 15:00", ["verify --sample-size 20"]),
        ("2024-12-15 14:00", ["status --check"]),
        ("2024-12-15 08:15", ["backup"]),
    ],
)
def test_each_line_starts_its_command_by_new_yorks_clock(
    machine: Machine, moment: str, commands: list[str]
) -> None:
    found = started(machine, moment)

    assert [re.sub(r"backup .*", "backup", each) for each in found] == commands


@pytest.mark.parametrize(("code", "mailed"), [(0, ""), (1, "ERROR disk_low\n")])
def test_the_check_prints_problems_only_as_cron_mails_what_it_prints(
    machine: Machine, code: int, mailed: str
) -> None:
    (machine.folder / "universe").write_text(f"#!/bin/sh\necho ERROR disk_low\nexit {code}\n")
    (check,) = [command for _, command in LINE.findall(CRONTAB.read_text()) if "--check" in command]

    assert machine.printed("2024-12-15 14:00", check) == mailed


def test_no_line_starts_a_command_that_still_works(machine: Machine) -> None:
    with (machine.folder / "daily.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert started(machine, "2024-07-12 21:30") == []


def test_the_log_says_when_a_command_began(machine: Machine) -> None:
    started(machine, "2024-07-12 21:30")

    assert "2024" in (machine.folder / "log").read_text()


def test_every_line_is_one_of_those_and_names_the_user() -> None:
    lines = [line for line in CRONTAB.read_text().splitlines() if line.startswith(("0", "1", "3"))]

    assert len(lines) == len(LINE.findall(CRONTAB.read_text())) == 4
