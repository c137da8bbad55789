"""A session in a few figures, which are quickly compared with those of other sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import compress
from math import log
from typing import Any

import numpy as np
import polars as pl

from universe_pipeline.domain.quality.history import Flags, Numbers, codes, days_of


@dataclass(frozen=True, slots=True)
class Figures:
    """What is looked at of one session."""

    session: date
    rows: int = 0
    traded: int = 0
    """Rows with volume above zero."""
    repeated: int = 0
    """Of these, those that equal the same symbol's bar of the session before."""
    fractional: int = 0
    """Rows whose volume is not whole."""
    returns: int = 0
    """Symbols that also have a bar in the session before."""
    median_return: float | None = None
    """Of these; a logarithm."""
    mean_abs_return: float | None = None
    """The mean size of these."""
    unchanged: int = 0
    """Those whose close is that of the session before."""
    dollar_volume: float = 0.0
    """USD."""
    benchmarks: frozenset[str] = frozenset()
    """Benchmark symbols with trades."""
    by_exchange: Mapping[str, int] = field(default_factory=dict[str, int])
    """Bars of the universe's types."""
    measured: int = 0
    """Bars of symbols whose usual volume is known."""
    placeholders: int = 0
    """Of these, those with one price and hardly any volume."""
    volume_shift: float | None = None
    """Of those with trades the median of how far volume is from its usual; a logarithm."""
    volume_width: float | None = None
    """The mean of how far they are from that median."""
    trade_size: float | None = None
    """The mean logarithm of volume, less that of transactions, of bars that have both."""


def figures(
    lines: pl.DataFrame, exchanges: pl.DataFrame, benchmarks: Sequence[str]
) -> dict[date, Figures]:
    """The figures of every day.

    Args:
        lines: the bars, lined up.
        exchanges: `symbol` and `exchange` of the universe's types.
        benchmarks: symbols to look for.
    """
    kind = lines.schema["symbol"]
    coded, wanted = codes(lines["symbol"]), codes(pl.Series(benchmarks, dtype=kind))
    listed = codes(exchanges["symbol"].cast(kind))
    most = 1 + max(int(each.max(initial=0)) for each in (coded, wanted, listed))
    names = exchanges["exchange"].unique()
    exchange = np.full(most, len(names))
    exchange[listed] = exchanges["exchange"].cast(pl.Enum(names)).to_physical()
    values = {name: lines[name].to_numpy() for name in _LOOKED_AT}
    found: dict[date, Figures] = {}
    for day, rows in days_of(lines):
        of_day = {name: column[rows] for name, column in values.items()}
        is_traded = np.zeros(most, np.bool_)
        is_traded[coded[rows][of_day["volume"] > 0]] = True
        counts = np.bincount(exchange[coded[rows]], minlength=len(names)).tolist()
        found[day] = Figures(
            session=day,
            benchmarks=frozenset(compress(benchmarks, is_traded[wanted])),
            by_exchange={name: count for name, count in zip(names, counts, strict=False) if count},
            **_numbers(**of_day),
        )
    return found


_LOOKED_AT = (
    *("high", "low", "close", "volume", "transactions"),
    *("move", "adjoins", "repeated", "excess"),
)

TINY = log(5)
"""A volume that is a fifth of its usual, or less, is hardly any; on a log scale."""


def _numbers(
    *,
    high: Numbers,
    low: Numbers,
    close: Numbers,
    volume: Numbers,
    transactions: Numbers,
    move: Numbers,
    adjoins: Flags,
    repeated: Flags,
    excess: Numbers,
) -> dict[str, Any]:
    returned = pl.Series(move[adjoins])
    is_measured = ~np.isnan(excess)
    is_tiny = (high == low) & ((excess < -TINY) | (volume == 0)) & is_measured
    measured = pl.Series(excess[(volume > 0) & is_measured])
    shift = measured.median()
    is_counted = (volume > 0) & (transactions > 0)
    with np.errstate(all="ignore"):  # stored values may be anything
        return {
            "rows": len(close),
            "traded": np.count_nonzero(volume > 0),
            "repeated": np.count_nonzero(repeated),
            "fractional": np.count_nonzero(volume - np.floor(volume)),
            "returns": len(returned),
            "median_return": returned.median(),
            "mean_abs_return": returned.abs().mean(),
            "unchanged": (returned == 0).sum(),
            "dollar_volume": float((close * volume).sum()),
            "measured": np.count_nonzero(is_measured),
            "placeholders": np.count_nonzero(is_tiny),
            "volume_shift": shift,
            "volume_width": (measured - shift).abs().mean(),
            "trade_size": _mean_log(volume[is_counted] / transactions[is_counted]),
        }


def _mean_log(values: Numbers) -> float | None:
    return float(np.log(values).mean()) if len(values) else None
