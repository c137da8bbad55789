"""The figures that decide whether a quality rule is broken; by default real sessions keep them."""

from dataclasses import dataclass, field

TRAILING = 20
"""Length of the baseline: the loaded sessions before. With fewer, its rules are skipped."""

TRAILING_DAYS = 60
"""Sessions more than so many days back are not part of a baseline."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The figures that a user may set: `UNIVERSE_QUALITY_…` in the settings."""

    rows_error: float = 0.10
    """Fraction by which a row count may deviate from the usual before a session is quarantined."""
    rows_warn: float = 0.03
    """Warning threshold for the same deviation."""
    repeated: float = 0.01
    """Fraction of the bars with trades that may repeat the session before."""
    benchmarks: tuple[str, ...] = field(default=("SPY", "AAPL", "MSFT", "BRK.A"))
    """Symbols whose absence shows that an answer is incomplete."""
    vwap: float = 0.02
    """Fraction by which vwap may lie outside low and high."""
    jump: float = 0.5
    """Fraction by which a close may rise, or fall by the reverse factor, without a split."""
    stale: int = 5
    """From so many bars with the same close on, they are reported."""
