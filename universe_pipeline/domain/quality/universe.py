"""Rules for the reference lists, compared with the snapshot before and with the bars."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from universe_pipeline.domain.quality.findings import Finding, Violation, framed, listed
from universe_pipeline.domain.quality.rules import (
    DELISTED_QUIET,
    FIELDS_KEPT,
    FIGI_UNIQUE,
    IDENTIFIERS_STABLE,
    LISTED_TRADED,
    SOME_END,
    SYMBOLS_UNIQUE,
    TRADED_LISTED,
    UNIVERSE_STABLE,
)
from universe_pipeline.domain.thresholds import TRAILING, TRAILING_DAYS

_CHANGE = 0.02
_FEWEST_CHANGED = 20
_A_YEAR = 252
_ENOUGH_SYMBOLS = 100
_LISTING = 5
"""So many bars, all after the day its symbol was delisted, are of another listing that no list has;
fewer may be stray rows of the old one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A snapshot of the reference lists in numbers."""

    symbols: int
    active: int
    by_type: Mapping[str, int]
    by_exchange: Mapping[str, int]
    without_figi: int | None = None
    """None where the snapshot is older than this count."""
    without_cik: int | None = None


def judge_snapshots(newest: Counts, before: Counts | None) -> list[Finding]:
    """Compare a snapshot with the one before it."""
    sizes = list(_changes(newest, before)) if before is not None else []
    blanks = list(_blanks(newest, before)) if before is not None else []
    return [listed(UNIVERSE_STABLE, sizes), listed(IDENTIFIERS_STABLE, blanks)]


def _changes(newest: Counts, before: Counts) -> Iterator[Violation]:
    totals = {"symbols": newest.symbols, "active": newest.active}
    earlier = {"symbols": before.symbols, "active": before.active}
    groups = (
        (totals, earlier),
        (newest.by_type, before.by_type),
        (newest.by_exchange, before.by_exchange),
    )
    for now, then in groups:
        for name in sorted({*now, *then}):
            new, old = now.get(name, 0), then.get(name, 0)
            if abs(new - old) > max(_FEWEST_CHANGED, _CHANGE * old):
                yield Violation(
                    None, None, f"{name or 'none'}: {new:,} after {old:,}", abs(new - old)
                )


def _blanks(newest: Counts, before: Counts) -> Iterator[Violation]:
    pairs = (
        ("composite FIGI", newest.without_figi, before.without_figi),
        ("CIK", newest.without_cik, before.without_cik),
    )
    for name, now, then in pairs:
        if now is None or then is None:
            continue
        new, old = now / max(1, newest.symbols), then / max(1, before.symbols)
        if abs(new - old) > _CHANGE:
            yield Violation(
                None, None, f"{new:.1%} have no {name}, {old:.1%} before", abs(new - old)
            )


def judge_absent(absent: Mapping[str, tuple[int, Sequence[str]]]) -> Finding:
    """Judge what the newest lists lack of the known values.

    Args:
        absent: by column of `symbols` the count of symbols, and some of them.
    """
    examples = (
        Violation(None, symbol, f"no {column} in the list; the known one is kept")
        for column, (_, symbols) in absent.items()
        for symbol in symbols
    )
    found = listed(FIELDS_KEPT, examples)
    return replace(found, count=sum(count for count, _ in absent.values()))


def judge_symbols(symbols: pl.DataFrame) -> list[Finding]:
    """Judge the reference list (`SYMBOL_SCHEMA`) by itself."""
    undated = symbols.with_columns(date=pl.lit(None, pl.Date))
    shared = undated.filter(
        pl.col("active")
        & pl.col("composite_figi").is_not_null()
        & pl.struct("composite_figi", "active").is_duplicated()
    )
    repeated = undated.filter(pl.col("symbol").is_duplicated())
    return [
        framed(SYMBOLS_UNIQUE, repeated, pl.lit(0.0), pl.col("name")),
        framed(FIGI_UNIQUE, shared, pl.lit(0.0), pl.format("{}, as another", "composite_figi")),
    ]


def judge_spans(
    spans: pl.DataFrame, symbols: pl.DataFrame, sessions: Sequence[date], *, newest: bool
) -> list[Finding]:
    """Compare bars with the reference list.

    Args:
        spans: `symbol`, `first`, `last`, `bars`: of every symbol with bars in `sessions`.
        symbols: `symbol`, `active`, `delisted_date`, `chosen` (of the universe's types).
        sessions: the loaded ones, in order.
        newest: whether they reach to the newest loaded one, of whose day the list is.
    """
    traded = spans.with_columns(date="last").join(symbols, on="symbol", how="left")
    late = ~pl.col("active") & (pl.col("last") > pl.col("delisted_date"))
    is_reused = late & (pl.col("first") > pl.col("delisted_date")) & (pl.col("bars") >= _LISTING)
    unlisted = traded.filter(pl.col("active").is_null() | is_reused)
    return [
        framed(
            TRADED_LISTED, unlisted, pl.col("bars"), pl.format("{} bars since {}", "bars", "first")
        ),
        framed(
            DELISTED_QUIET,
            traded.filter(late & ~is_reused),
            (pl.col("last") - pl.col("delisted_date")).dt.total_days(),
            pl.format("delisted on {}", "delisted_date"),
        ),
        _untraded(spans, symbols, sessions if newest else ()),
        listed(SOME_END, _survivors(spans, sessions)),
    ]


def _untraded(spans: pl.DataFrame, symbols: pl.DataFrame, sessions: Sequence[date]) -> Finding:
    recent = [day for day in sessions if (sessions[-1] - day).days < TRAILING_DAYS]
    if len(recent) < TRAILING:
        return Finding(LISTED_TRADED)
    wanted = symbols.filter("active", "chosen").join(spans, on="symbol", how="left")
    silent = wanted.filter(pl.col("last").is_null() | (pl.col("last") < recent[-TRAILING]))
    return framed(
        LISTED_TRADED,
        silent.with_columns(date="last"),
        (pl.lit(sessions[-1]) - pl.col("last")).dt.total_days().fill_null(-1),
        pl.when(pl.col("last").is_null())
        .then(pl.lit("no bar"))
        .otherwise(pl.format("no bar since {}", "last")),
    )


def _survivors(spans: pl.DataFrame, sessions: Sequence[date]) -> Iterator[Violation]:
    if len(sessions) < _A_YEAR or spans.height < _ENOUGH_SYMBOLS:
        return
    if not spans.filter(pl.col("last") < sessions[-TRAILING]).height:
        yield Violation(None, None, f"all {spans.height:,} symbols have bars to the end")
