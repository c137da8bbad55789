"""Rules that the data must keep: named, each with what it means and the command that repairs it.

    rules       the closed list
    findings    the result of judging: a count and the worst offenders for each rule
    rows        one row: what is rejected before it is stored, what is only reported
    history     bars, each joined with what is remembered of the bars before it
    series      one symbol's bars: gaps, standstills, volumes, placeholders
    moves       one symbol's prices: jumps, splits, errors of scale, spikes
    sessions    one session compared with the twenty before it
    shifts      sessions that differ as a whole, and what follows from that for their symbols
    universe    the reference lists, and bars compared with them
    sources     the same bars from another endpoint
    figures     what is measured of one session
    presence    which symbols had a bar, by session
    scan        all rules over windows of bars, in date order

Pure: frames in, findings out. The figures that decide are in domain/thresholds.py.
"""

from universe_pipeline.domain.quality.rows import (
    DUPLICATE,
    OFF_SESSION,
    PRICES,
    ROW_RULES,
    UNDECODABLE,
    RowRule,
    Validated,
    validate,
)

__all__ = [
    "DUPLICATE",
    "OFF_SESSION",
    "PRICES",
    "ROW_RULES",
    "UNDECODABLE",
    "RowRule",
    "Validated",
    "validate",
]
