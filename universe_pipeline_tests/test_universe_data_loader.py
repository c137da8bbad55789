"""The older loader's flags mean the same commands."""

import subprocess
import sys
from pathlib import Path

import pytest

import universe_data_loader

PROGRAM = Path(universe_data_loader.__file__)


@pytest.mark.parametrize(
    ("flags", "command"),
    [
        ("--discover", "discover"),
        ("--discover --force-refresh", "discover --force-refresh"),
        (
            "--historical --start 2024-01-02 --end 2024-01-31 --symbols AAPL,BRK.B --batch-size 9",
            "historical --start 2024-01-02 --end 2024-01-31 --symbols AAPL,BRK.B --batch-size 9",
        ),
        ("--daily --date 2024-01-31", "daily --date 2024-01-31"),
        ("--verify --sample-size 5", "verify --sample-size 5"),
        ("--resume", "resume"),
        ("--clear-checkpoint historical_load_a_b", "clear-checkpoint historical_load_a_b"),
    ],
)
def test_every_flag_is_forwarded(flags: str, command: str) -> None:
    assert universe_data_loader.forwarded(flags.split()) == command.split()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--daily --sample-size 3", "--sample-size means nothing with --daily"),
        ("--daily --historical", "not allowed with"),
        ("--strat 2024-01-02", "one of the arguments"),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    flags: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        universe_data_loader.forwarded(flags.split())

    assert refused.value.code == 2
    assert said in capsys.readouterr().err


def test_the_program_exits_with_the_commands_code(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--daily", "--date", "2024-07-04"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "universe: 2024-07-04 is no NYSE session (weekend or holiday); "
        "the sessions around it are 2024-07-03 and 2024-07-05\n"
    )
