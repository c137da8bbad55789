"""The thread that works on answers: it decodes and encodes them, and judges what is stored."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from universe_pipeline.adapters.machine import lower_thread_priority

Result = TypeVar("Result")


class DecodingWorker:
    """Does the work it is given in one thread, one piece after the other, in order; thread-safe.

    Parallel threads would compete for the interpreter, and each would keep memory of its own. The
    thread gives way to the writer. It ends when nothing refers to the worker any more.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "decode", initializer=lower_thread_priority)

    def run(self, work: Callable[[], Result]) -> Result:
        """Do `work`, and wait for its result, or its error."""
        return self.later(work).result()

    def later(self, work: Callable[[], Result]) -> Future[Result]:
        """Do `work` after what has been given before."""
        return self._thread.submit(work)
