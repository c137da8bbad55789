"""Requests: one a session, and none for what is loaded."""

from benchmarks.figures import Figure, Target
from benchmarks.stage import Stage


def calls(stage: Stage) -> list[Figure]:
    """Load a month twice by `universe historical`, and count what the vendor was asked."""
    days = stage.newest(stage.scale.month)
    with stage.database() as url:
        asked = stage.requests()
        stage.child("historical", days[0], days[-1], database_url=url)
        first, asked = stage.requests() - asked, stage.requests()
        stage.child("historical", days[0], days[-1], database_url=url)
        second = stage.requests() - asked
    assert set(first) == {str(day) for day in days}, first
    return [
        Figure("calls", "most for a session", max(first.values()), "requests", target=_exactly(1)),
        Figure("calls", "for loaded ones", second.total(), "requests", target=_exactly(0)),
    ]


def _exactly(most: int) -> Target:
    return Target(most, of="value")
