"""The figures that decide whether a quality rule is broken; by default real sessions keep them."""

from dataclasses import dataclass, field

TRAILING = 20
"""So many loaded sessions before one say what is usual; with fewer nothing is."""

TRAILING_DAYS = 60
"""Sessions that lie further back say little of what is usual."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a person may sensibly want to move: `UNIVERSE_QUALITY_…` in the settings."""

    rows_error: float = 0.10
    """Share by which a session's rows may differ from the usual before it is quarantined."""
    rows_warn: float = 0.03
    """The same, before it is told."""
    repeated: float = 0.01
    """Share of the bars with trades that may be those of the session before."""
    benchmarks: tuple[str, ...] = field(default=("SPY", "AAPL", "MSFT", "BRK.A"))
    """Symbols whose absence shows that an answer is not whole."""
    vwap: float = 0.02
    """Share by which vwap may lie outside low and high."""
    jump: float = 0.5
    """Share by which a close may rise without a split, or would have to, to be back."""
    stale: int = 5
    """So many bars with the same close are told."""
