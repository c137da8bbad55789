"""How many requests may be in flight, by how the vendor answers."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import count
from math import log
from random import Random
from statistics import median

import pytest

from universe_pipeline.adapters.polygon.traffic import BLOCK, FEWEST_WHEN_SLOW, Traffic
from universe_pipeline.domain.errors import FailureKind, PermanentError, RetryableError

FAILED = RetryableError(FailureKind.SERVER_ERROR, "grouped", "500")
REFUSED = PermanentError(FailureKind.TOO_LARGE, "grouped", "large")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until the test moves it."""
    now = [1000.0]
    monkeypatch.setattr("universe_pipeline.adapters.polygon.traffic.time.monotonic", lambda: now[0])
    return now


NUMBERS = count()


def answered(traffic: Traffic, clock: list[float], seconds: float, answers: int = 1) -> None:
    for _ in range(answers):
        with traffic.request(next(NUMBERS)), traffic.answer():
            clock[0] += seconds


def fail(traffic: Traffic, error: Exception = FAILED) -> None:
    with suppress(type(error)), traffic.request(next(NUMBERS)), traffic.answer():
        raise error


def full(traffic: Traffic, act: Callable[[], None]) -> None:
    """Do it while all other requests that are allowed are in flight."""
    with ExitStack() as others:
        for _ in range(traffic.limit - 1):
            others.enter_context(traffic.request(next(NUMBERS)))
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
    with ExitStack() as others:
        for _ in range(7):
            others.enter_context(traffic.request(next(NUMBERS)))
        fail(traffic)

    assert traffic.limit == 4


def test_after_a_single_failure_it_doubles_with_each_round_of_good_answers(clock: list[float]):
    traffic = Traffic(50)
    fail(traffic)  # of the first request, which goes alone
    assert traffic.limit == 1

    limits: list[int] = []
    for _ in range(7):
        answered(traffic, clock, 0.4, traffic.limit)
        limits.append(traffic.limit)
    assert limits == [2, 4, 8, 16, 32, 50, 50]


def test_above_what_has_failed_twice_it_grows_by_one_a_round(clock: list[float]):
    traffic = Traffic(40)
    full(traffic, lambda: fail(traffic))
    clock[0] += 5
    full(traffic, lambda: fail(traffic))
    assert traffic.limit == 10

    answered(traffic, clock, 0.1, 10)
    assert traffic.limit == 20
    answered(traffic, clock, 0.1, 20)
    assert traffic.limit == 21
    answered(traffic, clock, 0.1, 21)
    assert traffic.limit == 22
    answered(traffic, clock, 0.1, 2000)
    assert traffic.limit == 40


def test_a_vendor_that_slows_down_gets_fewer(clock: list[float]):
    traffic = Traffic(40)
    answered(traffic, clock, 0.1, 2 * BLOCK)
    full(traffic, lambda: answered(traffic, clock, 0.5, BLOCK))

    assert traffic.limit == 28


def test_a_vendor_that_is_slow_without_our_doing_keeps_a_few(clock: list[float]):
    traffic = Traffic(40)
    answered(traffic, clock, 0.1, BLOCK)
    for _ in range(7 * BLOCK):
        full(traffic, lambda: answered(traffic, clock, 2.0))

    assert FEWEST_WHEN_SLOW <= traffic.limit < 20


def test_slow_answers_to_one_request_at_a_time_change_nothing(clock: list[float]):
    traffic = Traffic(40)
    answered(traffic, clock, 0.1, BLOCK)
    answered(traffic, clock, 2.0, 3 * BLOCK)

    assert traffic.limit == 40


def test_a_longer_way_is_no_slowing_for_long(clock: list[float]):
    traffic = Traffic(20)
    answered(traffic, clock, 0.1, BLOCK)
    full(traffic, lambda: answered(traffic, clock, 0.5, BLOCK))
    low = traffic.limit
    for _ in range(40):
        full(traffic, lambda: answered(traffic, clock, 0.5, BLOCK))

    assert low < 20
    assert traffic.limit == 20


def lognormal(random: Random) -> float:
    return random.lognormvariate(log(0.4), 0.5)


def partly_cached(random: Random) -> float:
    return 0.05 if random.random() < 0.1 else 0.4


def uniform(random: Random) -> float:
    return random.uniform(0.2, 0.8)


@pytest.mark.parametrize("seconds", [lognormal, partly_cached, uniform])
def test_answers_that_differ_by_nature_cost_next_to_nothing(
    clock: list[float], seconds: Callable[[Random], float]
):
    random, traffic = Random(7), Traffic(50)  # noqa: S311  # for repeatable answers
    limits: list[int] = []
    for _ in range(1500):
        full(traffic, lambda: answered(traffic, clock, seconds(random)))
        limits.append(traffic.limit)

    assert median(limits) > 45


def test_those_that_wait_go_in_the_order_in_which_they_were_asked():
    traffic, went = Traffic(1), list[int]()

    def ask(number: int) -> None:
        with traffic.request(number):
            went.append(number)

    with traffic.request(next(NUMBERS)):
        threads = [threading.Thread(target=ask, args=[1000 + one]) for one in (5, 3, 4, 1, 2)]
        for thread in threads:
            thread.start()
            time.sleep(0.01)
    for thread in threads:
        thread.join(30)

    assert went == [1001, 1002, 1003, 1004, 1005]


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
        with traffic.request(next(NUMBERS)):
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
