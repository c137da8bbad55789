"""Work done a little ahead of the consumer of its results, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from universe_pipeline.adapters.machine import lower_thread_priority

Given = TypeVar("Given")
Result = TypeVar("Result")


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
