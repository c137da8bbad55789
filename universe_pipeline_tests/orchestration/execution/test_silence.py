"""What ends a process whose database is silent."""

import pytest

from universe_pipeline.adapters.postgres.connecting import patience
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.orchestration.execution import silence

DATABASE = Database("postgresql://universe@127.0.0.1:1/universe")


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Codes with which processes would have ended."""
    codes: list[int] = []

    def end_at_once(_stderr: int | None, _words: str, code: int) -> None:
        codes.append(code)

    monkeypatch.setattr(silence, "end_at_once", end_at_once)
    return codes


def fall_silent() -> None:
    """As a wait does that finds the server silent."""
    patience._process.when_silent("it has not answered for 8 seconds")  # pyright: ignore[reportPrivateUsage]


def test_silence_alone_is_a_failure(codes: list[int]) -> None:
    with silence.ended_when_silent(DATABASE):
        fall_silent()

    assert codes == [1]


def test_silence_that_a_wait_finds_after_ctrl_c_is_an_interrupt(codes: list[int]) -> None:
    with silence.ended_when_silent(DATABASE) as interrupted:
        interrupted()
        fall_silent()
    patience.hurry(is_hurried=False)

    assert codes == [130]
