"""Work that runs ahead of the thread that takes its results."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event, Lock
from threading import enumerate as enumerate_threads

import pytest

from universe_pipeline.loading.ahead import OPENED_AHEAD, ahead, in_two_steps


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


def two_steps(in_flight: int, count: int = 20):
    """Numbers in two steps, so many in flight; what has been received and opened so far."""
    received: list[int] = []
    opened: list[int] = []

    def receive(number: int) -> int:
        received.append(number)
        return number

    def open_up(number: int) -> int:
        opened.append(number)
        return number * 10

    results = in_two_steps(receive, open_up, range(count), lambda: in_flight, in_flight)
    return results, received, opened


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_two_steps_give_their_results_in_order():
    results, _, _ = two_steps(7)

    assert list(results) == [10 * number for number in range(20)]


def test_two_steps_of_nothing():
    results, _, _ = two_steps(7, 0)

    assert list(results) == []


OPENED = 1 + OPENED_AHEAD


def test_the_second_step_is_taken_for_the_next_only():
    results, received, opened = two_steps(9)

    assert next(results) == 0
    wait_for(lambda: len(received) == 9 + OPENED and len(opened) == OPENED)
    time.sleep(0.05)  # time enough for one more
    assert sorted(opened) == list(range(OPENED))
    assert next(results) == 10
    wait_for(lambda: len(received) == 10 + OPENED and len(opened) == 1 + OPENED)
    results.close()


def test_what_waits_for_the_consumer_takes_no_place_of_those_in_flight():
    lock, together, most = Lock(), 0, 0
    all_four = Event()

    def receive(number: int) -> int:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        if OPENED <= number < OPENED + 4:
            if together == 4:
                all_four.set()
            assert all_four.wait(30)
        with lock:
            together -= 1
        return number

    results = in_two_steps(receive, str, range(20), lambda: 4, 4)

    assert next(results) == "0"
    assert all_four.wait(30)
    assert most == 4
    results.close()


def test_more_are_received_ahead_as_soon_as_more_are_needed():
    needed = 2
    received: list[int] = []
    results = in_two_steps(received.append, str, range(50), lambda: needed, 20)
    next(results)
    wait_for(lambda: len(received) == 2 + OPENED)

    needed = 20
    next(results)
    wait_for(lambda: len(received) == 21 + OPENED)
    needed = 3
    for _ in range(17):
        next(results)
    time.sleep(0.05)
    assert len(received) == 21 + OPENED
    results.close()


def test_an_error_of_either_step_reaches_the_consumer():
    def fail(number: int) -> int:
        return 1 // number

    with pytest.raises(ZeroDivisionError):
        list(in_two_steps(fail, str, [2, 1, 0], lambda: 2, 2))
    with pytest.raises(ZeroDivisionError):
        list(in_two_steps(int, fail, [2, 1, 0], lambda: 2, 2))


def test_a_consumer_that_stops_leaves_no_thread_waiting():
    before = set(enumerate_threads())
    results, _, opened = two_steps(9)
    next(results)
    wait_for(lambda: len(opened) == OPENED)
    results.close()

    wait_for(lambda: set(enumerate_threads()) <= before)
    assert len(opened) == OPENED


ABANDONED = """
import subprocess
import sys
import time
from universe_pipeline.loading.ahead import in_two_steps

results = in_two_steps(str, str, range(100), lambda: 20, 20)
next(results)
time.sleep(0.2)
raise RuntimeError("the consumer fails, and keeps the generator")
"""


def test_a_consumer_that_fails_and_keeps_the_generator_lets_the_process_end():
    ended = subprocess.run(
        [sys.executable, "-c", ABANDONED], capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.returncode == 1
    assert "the consumer fails" in ended.stderr
