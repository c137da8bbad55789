"""Clocks for what takes the time as a parameter."""

from datetime import UTC, datetime

import pytest

from universe_pipeline.domain.moments import Now
from universe_pipeline.settings import Settings


def machine() -> datetime:
    """The machine's clock, which is the test database's as well."""
    return datetime.now(UTC)


def stopped(at: datetime) -> Now:
    """A clock that stands at `at`."""
    return lambda: at


def stop_clock(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    """Let every entry point of this process have `at` for the database's time."""

    def clock(_: Settings) -> Now:
        return stopped(at)

    monkeypatch.setattr("universe_pipeline.wiring.clock", clock)
