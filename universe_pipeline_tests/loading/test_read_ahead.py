"""How far ahead sessions are asked for."""

import pytest

from universe_pipeline.loading.read_ahead import FEWEST, ReadAhead


def settled(round_trip: float | None, writing: float, *, most: int = 50, spacing: float = 0.0):
    """How many, once the writer has written a hundred sessions at its pace."""
    ahead = ReadAhead(most, spacing, lambda: round_trip)
    for _ in range(100):
        ahead.wrote(writing)
    return ahead.sessions()


@pytest.mark.parametrize(
    ("round_trip", "writing", "sessions"),
    [
        (0.005, 0.017, FEWEST),  # loopback
        (0.1, 0.017, 12),  # 7.35 requests are on their way while one answer is written, and spare
        (0.4, 0.017, 34),
        (0.4, 0.17, 7),  # a slow disk
    ],
)
def test_as_many_as_the_writer_writes_in_a_round_trip(
    round_trip: float, writing: float, sessions: int
):
    assert settled(round_trip, writing) == sessions


def test_never_more_than_twice_what_may_be_in_flight():
    assert settled(1.0, 0.017, most=50) == 78  # answers come in bursts: 28 of them may wait
    assert settled(1.0, 0.017, most=25) == 50
    assert settled(0.001, 0.017, most=2) == 4


def test_a_slow_pace_of_requests_needs_no_more_than_loopback():
    assert settled(0.4, 0.017, spacing=12.0) == FEWEST


def test_before_any_answer_as_few_as_on_loopback():
    assert ReadAhead(50, 1 / 90, lambda: None).sessions() == FEWEST


def test_before_the_writer_has_written_as_many_as_may_be_sent():
    assert ReadAhead(100, 1 / 90, lambda: 0.4).sessions() == 49
