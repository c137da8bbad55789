"""Work done ahead of the consumer of its results, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from universe_pipeline.adapters.machine import lower_thread_priority

Given = TypeVar("Given")
Received = TypeVar("Received")
Result = TypeVar("Result")

OPENED_AHEAD = 6
"""Six even out what one session takes more than another: with two a load takes a twelfth longer.
Each costs 3 MB."""


def ahead(
    work: Callable[[Given], Result],
    given: Iterable[Given],
    in_flight: int,
    threads: int | None = None,
) -> Generator[Result]:
    """Do `work` for each of `given` in threads, at most `in_flight` ahead; results in order.

    A consumer that stops stops the work: what has not begun is never begun. The threads give
    way to the consumer.

    Args:
        work: what is done.
        given: for each of these.
        in_flight: most that have begun, or wait to be taken.
        threads: most at a time; None: all that are in flight. Where it is given, the work in hand
            is waited for at the end: what it shares with the caller can then be closed.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads or in_flight, "fetch", initializer=lower_thread_priority)
    try:
        for one in given:
            if len(waiting) == in_flight:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, one))
            del one  # may be large, and the next one is far
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=threads is not None, cancel_futures=True)


def in_two_steps(
    receive: Callable[[Given], Received],
    open_up: Callable[[Received], Result],
    given: Iterable[Given],
    in_flight: Callable[[], int],
    threads: int,
) -> Generator[Result]:
    """Receive far ahead of the consumer, and open what was received only shortly before its turn.

    What is received far ahead should be small, what it opens to may be large: opened are what the
    consumer waits for and the `OPENED_AHEAD` after it. A consumer that stops stops the work; what
    is being received then ends by itself. No thread waits for the consumer, which may never come.

    Args:
        receive: the first step.
        open_up: the second step, in another thread.
        given: for each of these, in order; taken as they are needed.
        in_flight: says, each time, how many may have begun besides those to be opened next.
        threads: most that receive at a time; as high as `in_flight` ever is.
    """
    received: deque[Future[Received]] = deque()
    opened: deque[Future[Result]] = deque()
    opening = 1 + OPENED_AHEAD

    def open_next(one: Future[Received]) -> Result:
        return open_up(one.result())

    pools = [
        ThreadPoolExecutor(most, name, initializer=lower_thread_priority)
        for most, name in ((threads, "fetch"), (opening, "open"))
    ]
    receiving, opening_up = pools
    coming = iter(given)
    try:
        while True:
            for one in islice(coming, max(0, in_flight() + opening - len(received) - len(opened))):
                received.append(receiving.submit(receive, one))
            while received and len(opened) < opening:
                opened.append(opening_up.submit(open_next, received.popleft()))
            if not opened:
                return
            yield opened.popleft().result()
    finally:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
