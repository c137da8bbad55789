"""What prices say of a day, as far as identity asks for it."""

from dataclasses import dataclass
from datetime import date
from math import log
from typing import Protocol

JUMP = 0.2
"""So far, in logarithms, the first price of a session lies from the last one before."""
TURNOVER = log(10)
"""So far, in logarithms, two turnovers differ that are not of one share."""


@dataclass(frozen=True, slots=True)
class Break:
    """A session of a symbol and the bar before it."""

    session: date
    missing: int
    """Loaded sessions without a bar in between."""
    jump: float
    """Logarithm of its open divided by the close before."""


@dataclass(frozen=True, slots=True)
class Step:
    """From the last bar of a symbol to the first one of another, in shares of the later one."""

    price: float
    """Logarithm of the open divided by the close before."""
    turnover: float
    """Logarithm of the turnovers' quotient."""

    @property
    def is_continuous(self) -> bool:
        """Whether both may be bars of one share."""
        return abs(self.price) < JUMP and abs(self.turnover) < TURNOVER


class Market(Protocol):
    """Bars, read where identity asks for them."""

    def breaks(self, symbol: str, after: date, until: date) -> list[Break]:
        """The sessions after one day until another that follow a gap or begin with a jump."""
        ...

    def step(self, ended: tuple[str, date], begun: tuple[str, date]) -> Step | None:
        """From a symbol's last session to another one's first; None where a bar lacks a price."""
        ...


def break_of(breaks: list[Break]) -> date | None:
    """The only session among them on which the holder can have changed; None if none stands out."""
    gaps = [each.session for each in breaks if each.missing]
    if gaps:
        return gaps[0] if len(gaps) == 1 else None
    return jump_of(breaks)


def jump_of(breaks: list[Break]) -> date | None:
    """The only session among them that begins with a jump; None if there is none or several."""
    jumps = [each.session for each in breaks if abs(each.jump) >= JUMP]
    return jumps[0] if len(jumps) == 1 else None
