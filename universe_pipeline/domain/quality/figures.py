"""A session in a few figures, which are quickly compared with those of other sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from universe_pipeline.domain.quality.lines import Window, codes


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
    spread: float | None = None
    """Their mean absolute return."""
    unchanged: int = 0
    """Those whose close is that of the session before."""
    turnover: float = 0.0
    """USD."""
    benchmarks: frozenset[str] = frozenset()
    """Benchmark symbols with trades."""
    by_exchange: Mapping[str, int] = field(default_factory=dict[str, int])
    """Bars of the universe's types."""


def figures(
    window: Window, lines: pl.DataFrame, exchanges: pl.DataFrame, benchmarks: Sequence[str]
) -> dict[date, Figures]:
    """The figures of every day of the window.

    Args:
        window: the bars.
        lines: the same, lined up.
        exchanges: `symbol` and `exchange` of the universe's types.
        benchmarks: symbols to look for.
    """
    adjoining = pl.col("day_before") == pl.col("day") - 1
    by_day = (
        lines.with_columns(
            returned=pl.when(adjoining).then("move"), unchanged=adjoining & (pl.col("move") == 0)
        )
        .group_by("day")
        .agg(
            rows=pl.len(),
            traded=(pl.col("volume") > 0).sum(),
            fractional=(pl.col("volume") % 1 != 0).sum(),
            returns=pl.col("returned").count(),
            median_return=pl.col("returned").median(),
            spread=pl.col("returned").abs().mean(),
            unchanged=pl.col("unchanged").sum(),
            turnover=(pl.col("close") * pl.col("volume")).sum(),
        )
    )
    repeated = _counts(_repeated(window, lines))
    present = _by_day(_present(lines, benchmarks))
    exchanged = _by_day(_exchanged(lines, exchanges))
    days = window.days.to_list()
    found: dict[date, Figures] = {}
    for row in by_day.iter_rows(named=True):
        day = row.pop("day")
        found[days[day]] = Figures(
            session=days[day],
            repeated=repeated.get(day, 0),
            benchmarks=frozenset(symbol for symbol, _ in present.get(day, ())),
            by_exchange=dict(exchanged.get(day, ())),
            **row,
        )
    return found


def _repeated(window: Window, lines: pl.DataFrame) -> pl.DataFrame:
    """Bars with trades that equal the same symbol's bar of the day before: `day`."""
    alike = lines.with_columns(row_before=pl.col("row").shift(1)).filter(
        (pl.col("day_before") == pl.col("day") - 1)
        & (pl.col("close") == pl.col("before"))
        & (pl.col("volume") == pl.col("volume_before"))
        & (pl.col("volume") > 0)
    )
    bars = window.bars.select("open", "high", "low")
    now, then = bars[alike["row"]], bars[alike["row_before"]]
    same = pl.all_horizontal(now[name] == then[name] for name in bars.columns)
    return alike.select("day").filter(pl.select(same).to_series())


def _present(lines: pl.DataFrame, benchmarks: Sequence[str]) -> pl.DataFrame:
    named = pl.Series("symbol", benchmarks, pl.String)
    coded = pl.DataFrame({"key": named, "code": codes(named)})
    theirs = lines.filter(pl.col("code").is_in(coded["code"].implode()))
    return theirs.filter(pl.col("volume") > 0).join(coded, on="code")


def _exchanged(lines: pl.DataFrame, exchanges: pl.DataFrame) -> pl.DataFrame:
    coded = exchanges.select(key="exchange", code=codes(exchanges["symbol"]))
    return lines.select("day", "code").join(coded, on="code")


def _by_day(lines: pl.DataFrame) -> dict[int, list[tuple[str, int]]]:
    """How often each `key` stands in each day."""
    found: dict[int, list[tuple[str, int]]] = {}
    for day, key, count in lines.group_by("day", "key").len().iter_rows():
        found.setdefault(day, []).append((key, count))
    return found


def _counts(lines: pl.DataFrame) -> dict[int, int]:
    return dict(lines.group_by("day").len().iter_rows())
