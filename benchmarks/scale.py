"""How large everything is: the whole measurement, and one that only shows that it works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of the parts, in sessions unless said otherwise."""

    symbols: int
    """Rows of the vendor's reference lists; 14,000 make about 10,500 bars a session."""
    rounds: int
    """How often each way is taken."""
    sessions: int
    """Loaded by each way in each round."""
    floor: int
    """Copied as floor before and after each."""


FULL = Scale(symbols=14_000, rounds=3, sessions=252, floor=63)
SMALL = Scale(symbols=300, rounds=1, sessions=10, floor=5)
