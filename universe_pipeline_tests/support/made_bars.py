"""Bars written by hand, and the check_results on them in plain values."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import polars as pl

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.history import Lagged, RollingState
from universe_pipeline.domain.quality.rules import Rule
from universe_pipeline.domain.sessions import sessions_between

DAYS = sessions_between(date(2024, 1, 2), date(2024, 6, 28))
"""Sessions in a row; the first is a Tuesday, the tenth 2024-01-16 after a holiday."""

NO_SPLITS = pl.DataFrame(
    schema={
        "symbol": pl.String,
        "execution_date": pl.Date,
        "split_from": pl.Float64,
        "split_to": pl.Float64,
    }
)
NO_ROWS = pl.DataFrame(schema={"date": pl.Date, "symbol": pl.String})


def calm(bars: int, *end: float | None) -> list[float | None]:
    """So many unremarkable closes, then those of `end`."""
    return [10.0 + n % 2 / 10 for n in range(bars)] + list(end)


def series(
    symbol: str, closes: Sequence[float | None], *, start: int = 0, **columns: Any
) -> pl.DataFrame:
    """One symbol's bars from session `start` on, without a range; None is a session without one.

    A column is a value for all bars, or a list of one for each session.
    """
    rows: list[tuple[Any, ...]] = []
    for n, close in enumerate(closes):
        if close is not None:
            given = {"volume": 1000.0, "vwap": close, "transactions": 10}
            given |= dict.fromkeys(("open", "high", "low", "close"), close)
            given |= {k: v[n] if isinstance(v, list) else v for k, v in columns.items()}
            given |= {"date": DAYS[start + n], "symbol": symbol}
            rows.append(tuple(given[name] for name in DATED_BAR_SCHEMA))
    return pl.DataFrame(rows, schema=DATED_BAR_SCHEMA, orient="row")


def lined_up(
    *frames: pl.DataFrame,
    since: int = 0,
    loaded: Sequence[date] = DAYS,
    splits: pl.DataFrame | None = None,
) -> Lagged:
    """The bars of `frames` from session `since` on; what came before them is remembered.

    All of them are candidates, unless `splits` are given.
    """
    bars = pl.concat(frames).sort("date", "symbol")
    lines = RollingState(split_daily(bars) if splits is None else splits).line_up(bars, loaded)
    is_judged = pl.col("date") >= DAYS[since]
    return Lagged(lines.bars.filter(is_judged), lines.candidates.filter(is_judged))


def split_daily(bars: pl.DataFrame) -> pl.DataFrame:
    """Splits that make every bar a candidate that is not its symbol's first."""
    return bars.select("symbol", execution_date="date")


def offenders(findings: Iterable[Finding], rule: Rule) -> list[tuple[int | None, str | None]]:
    """What `rule` found: the place of the session and the symbol, in their order."""
    (finding,) = [each for each in findings if each.rule is rule]
    assert finding.count == len(finding.worst)
    return sorted(
        (-1 if each.day is None else DAYS.index(each.day), each.symbol or "")
        for each in finding.worst
    )


def details(findings: Iterable[Finding], rule: Rule) -> list[str]:
    """What `rule` says of its offenders, the worst first."""
    (finding,) = [each for each in findings if each.rule is rule]
    return [each.detail for each in finding.worst]
