"""`universe` inside the test's process, as a new process would run it: it reads the environment."""

import logging
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from universe_pipeline.cli.app import run
from universe_pipeline.settings import process_settings

SETTINGS = ("POLYGON_", "MASSIVE_", "UNIVERSE_", "DAGSTER_")
OTHERS = ("LOG_LEVEL", "HOME")
"""Names (and beginnings of names) of the variables that the product reads."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]
"""Runs `universe` with arguments, and variables on top of the user's environment."""


@pytest.fixture
def as_user(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Callable[[dict[str, str]], None]]:
    """Puts this process into the user's environment and folder, with nothing read yet."""
    monkeypatch.chdir(tmp_path)

    def enter(variables: dict[str, str]) -> None:
        for name in [name for name in os.environ if name.startswith(SETTINGS) or name in OTHERS]:
            monkeypatch.delenv(name)
        for name, value in {**environment, **variables}.items():
            monkeypatch.setenv(name, value)
        for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):  # the product sets them
            if name not in variables:
                monkeypatch.setenv(name, "")
                monkeypatch.delenv(name)
        process_settings.cache_clear()

    yield enter
    logging.getLogger("universe_pipeline").setLevel(logging.NOTSET)  # commands set LOG_LEVEL


@pytest.fixture
def command(
    as_user: Callable[[dict[str, str]], None], capfd: pytest.CaptureFixture[str]
) -> Command:
    """The command line in this process."""

    def called(*arguments: str, **variables: str) -> Ended:
        as_user(variables)
        capfd.readouterr()
        code = run(arguments)
        said = capfd.readouterr()
        return Ended(code, said.out, said.err)

    return called


@pytest.fixture
def retries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets retries follow each other without a wait."""

    class AtOnce:
        @staticmethod
        def uniform(_low: float, _high: float) -> float:
            return 0.0

    monkeypatch.setattr("universe_pipeline.adapters.polygon.retry.random", AtOnce)
