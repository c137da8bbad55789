"""How far a load is, for a listener: the command line's progress bars. Other runs have none."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """How far an activity is. Activities follow each other; the next one's step ends the last."""

    what: str
    """The activity, in a word that a count may follow: `sessions`, `verified`."""
    done: int
    """0 where the activity begins: it is shown from then on."""
    total: int | None
    """None: not known yet. A step with `done` equal to it says that the activity is over."""
    note: str = ""
    """What was done last."""

    @classmethod
    def tried(cls, what: str, tried: int, failed: int, total: int, last: str) -> "Step":
        """So many were tried, the `last` one now; those that failed are named, and not done."""
        return cls(what, tried - failed, total, f"{last}, {failed:,} failed" if failed else last)


Listener = Callable[[Step], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Generator[None]:
    """Call `listener` with every step that is reported in the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report(step: Step) -> None:
    """Call the listener, if there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(step)
