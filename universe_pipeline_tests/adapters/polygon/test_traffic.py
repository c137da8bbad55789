"""How many requests may be in flight, by how the vendor answers."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from universe_pipeline.adapters.polygon.traffic import FEWEST_WHEN_SLOW, LATEST, Traffic
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError

FAILED = RetryableError(FailureKind.SERVER_ERROR, "grouped", "500")
REFUSED = PermanentError(FailureKind.TOO_LARGE, "grouped", "large")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until the test moves it."""
    now = [1000.0]
    monkeypatch.setattr("universe_pipeline.adapters.polygon.traffic.time.monotonic", lambda: now[0])
    return now


def answered(traffic: Traffic, clock: list[float], seconds: float, count: int = 1) -> None:
    for _ in range(count):
        with traffic.request(), traffic.answer():
            clock[0] += seconds


def fail(traffic: Traffic, error: Exception = FAILED) -> None:
    with suppress(type(error)), traffic.request(), traffic.answer():
        raise error


def full(traffic: Traffic, act: Callable[[], None]) -> None:
    """Do it while all other requests that are allowed are in flight."""
    with ExitStack() as others:
        for _ in range(traffic.limit - 1):
            others.enter_context(traffic.request())
        act()


def test_at_first_as_many_as_there_may_ever_be():
    assert Traffic(50).limit == 50


def test_a_failure_halves_it_once_a_round_trip(clock: list[float]):
    traffic = Traffic(50)
    answered(traffic, clock, 0.4)

    full(traffic, lambda: fail(traffic))
    assert traffic.limit == 25
    clock[0] += 0.3
    full(traffic, lambda: fail(traffic))
    assert traffic.limit == 25
    clock[0] += 0.2
    full(traffic, lambda: fail(traffic))
    assert traffic.limit == 12


def test_it_falls_to_one_and_not_below(clock: list[float]):
    traffic = Traffic(8)
    for _ in range(10):
        clock[0] += 5
        full(traffic, lambda: fail(traffic))

    assert traffic.limit == 1


def test_what_a_failure_halves_are_the_requests_in_flight(clock: list[float]):
    """The limit that nothing has reached says nothing of what the vendor bears."""
    traffic = Traffic(50)
    with traffic.request(), traffic.request(), traffic.request():
        fail(traffic)

    assert traffic.limit == 2


def test_good_answers_raise_it_by_one_a_round(clock: list[float]):
    traffic = Traffic(4)
    full(traffic, lambda: fail(traffic))
    assert traffic.limit == 2

    answered(traffic, clock, 0.1, 2)
    assert traffic.limit == 3
    answered(traffic, clock, 0.1, 2)
    assert traffic.limit == 3
    answered(traffic, clock, 0.1, 1)
    assert traffic.limit == 4
    answered(traffic, clock, 0.1, 100)
    assert traffic.limit == 4


def test_a_vendor_that_slows_down_gets_fewer(clock: list[float]):
    traffic = Traffic(40)
    answered(traffic, clock, 0.1, 30)
    full(traffic, lambda: answered(traffic, clock, 0.5, LATEST // 2 + 1))

    assert traffic.limit == 28


def test_a_vendor_that_is_slow_without_our_doing_keeps_a_few(clock: list[float]):
    traffic = Traffic(40)
    answered(traffic, clock, 0.1, 30)
    for _ in range(30):
        full(traffic, lambda: answered(traffic, clock, 2.0))

    assert traffic.limit >= FEWEST_WHEN_SLOW


def test_a_longer_way_is_no_slowing_for_long(clock: list[float]):
    traffic = Traffic(20)
    answered(traffic, clock, 0.1, 64)
    answered(traffic, clock, 0.5, 64)
    low = traffic.limit
    answered(traffic, clock, 0.5, 500)

    assert low < 20
    assert traffic.limit == 20


def test_what_is_not_for_its_number_leaves_it(clock: list[float]):
    traffic = Traffic(10)
    full(traffic, lambda: fail(traffic, REFUSED))

    assert traffic.limit == 10
    assert traffic.round_trip is None


def test_the_round_trip_is_the_median_of_late(clock: list[float]):
    traffic = Traffic(10)
    for seconds in (0.3, 0.1, 0.2):
        answered(traffic, clock, seconds)

    assert traffic.round_trip == pytest.approx(0.2)


def test_no_more_than_the_limit_are_in_flight():
    traffic = Traffic(2)
    lock, together, most = threading.Lock(), 0, 0

    def ask() -> None:
        nonlocal together, most
        with traffic.request():
            with lock:
                together += 1
                most = max(most, together)
            time.sleep(0.01)
            with lock:
                together -= 1

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert most == 2
