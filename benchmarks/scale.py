"""How large everything is: the whole measurement, and one that only shows that it works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of the parts, in sessions unless said otherwise."""

    symbols: int
    """Rows of the vendor's reference lists; 14,000 make about 10,500 bars a session."""
    rounds: int
    """How often each way to load is taken."""
    sessions: int
    """Loaded by each way of the product in each round, and by the backfill of the UI."""
    distant: int
    """Loaded from each distance of the vendor in each round."""
    peers: int
    """Loaded by each peer in each round."""
    floor: int
    """Copied as floor before and after each way."""
    month: int
    archive: int
    """Five years: what memory, reads and start-up are measured on."""
    years: int
    """Twenty years, in one run."""
    repeats: int
    """How often each read and each command is repeated."""
    reserve: int
    """Gigabytes of memory that are taken beforehand."""
    log: int
    """Files of the server's log that are made beforehand, of 16 MB each."""


FULL = Scale(
    symbols=14_000,
    rounds=3,
    sessions=252,
    distant=1_260,
    peers=20,
    floor=63,
    month=21,
    archive=1_260,
    years=5_300,
    repeats=9,
    reserve=8,
    log=64,
)
SMALL = Scale(
    symbols=300,
    rounds=1,
    sessions=10,
    distant=10,
    peers=3,
    floor=5,
    month=5,
    archive=70,
    years=120,
    repeats=1,
    reserve=0,
    log=0,
)
