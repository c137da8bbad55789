"""Work ahead of the one who takes its results."""

import time
from collections.abc import Iterator
from threading import Event, Lock

import pytest

from universe_pipeline.loading.ahead import ahead


def test_results_come_in_order_whoever_is_done_first():
    second_is_done = Event()

    def work(number: int) -> int:
        if number == 1:
            assert second_is_done.wait(30)
        if number == 2:
            second_is_done.set()
        return number * 10

    assert list(ahead(work, [1, 2, 3], in_flight=2)) == [10, 20, 30]


def test_nothing_is_the_result_of_nothing():
    assert list(ahead(str, [], in_flight=3)) == []


@pytest.mark.parametrize("in_flight", [1, 3, 100])
def test_at_most_so_many_are_begun_ahead(in_flight: int):
    begun: list[int] = []

    def given() -> Iterator[int]:
        for number in range(20):
            begun.append(number)
            yield number

    results = ahead(str, given(), in_flight)
    next(results)

    assert len(begun) == min(in_flight + 1, 20)


def test_so_many_work_at_once():
    lock, together, most = Lock(), 0, 0
    three = Event()

    def work(_: int) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
            if together == 3:
                three.set()
        assert three.wait(30)
        with lock:
            together -= 1

    list(ahead(work, range(9), in_flight=3))

    assert most == 3


def test_fewer_may_work_at_once_than_are_in_flight():
    lock = Lock()

    def work(number: int) -> int:
        assert lock.acquire(blocking=False)
        time.sleep(0.001)
        lock.release()
        return number

    assert list(ahead(work, range(20), in_flight=5, threads=1)) == list(range(20))


def test_who_stops_early_waits_for_the_work_in_hand_of_named_threads():
    done: list[int] = []
    defer_interrupts = Event()

    def work(number: int) -> int:
        if number:
            defer_interrupts.set()
            time.sleep(0.05)
        done.append(number)
        return number

    results = ahead(work, range(10), in_flight=2, threads=1)
    first = next(results)
    assert defer_interrupts.wait(30)
    results.close()

    assert first == 0
    assert done == [0, 1]


def test_an_error_comes_in_its_turn_and_ends_it():
    def work(number: int) -> float:
        return 1 / number

    results = ahead(work, [1, 2, 0, 4], in_flight=2)

    assert [next(results), next(results)] == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_whoever_stops_taking_stops_what_has_not_begun():
    begun: list[int] = []
    go_on = Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            assert go_on.wait(30)
        return number

    results = ahead(work, range(100), in_flight=4)
    next(results)
    results.close()
    go_on.set()

    assert set(begun) <= {0, 1, 2, 3, 4}
