"""Rules for the same bars by another way: the per-symbol endpoint, adjusted bars, later answers."""

from datetime import date

import polars as pl

from universe_pipeline.domain.adjustment import Adjustment, adjust, steps
from universe_pipeline.domain.bars import BAR_VALUES
from universe_pipeline.domain.quality.findings import Violation
from universe_pipeline.domain.quality.rows import PRICES
from universe_pipeline.domain.splits import events

_RELATIVE, _ABSOLUTE = 1e-3, 1e-4
"""The vendor rounds what it adjusts to four decimals."""


def differences(ours: pl.DataFrame, theirs: pl.DataFrame) -> list[Violation]:
    """Every bar of one symbol that the two frames (`DATED_BAR_SCHEMA`) do not have alike."""
    both = ours.join(theirs, on="date", how="full", suffix="_theirs", coalesce=True)
    return [
        Violation(row["date"], row["symbol"] or row["symbol_theirs"], text)
        for row in both.sort("date").iter_rows(named=True)
        if (text := _difference(row))
    ]


def _difference(row: dict[str, object]) -> str:
    if row["symbol"] is None:
        return "not stored, and the per-symbol endpoint has a bar"
    if row["symbol_theirs"] is None:
        return "stored, and the per-symbol endpoint has no bar"
    differing = (name for name in BAR_VALUES if row[name] != row[f"{name}_theirs"])
    return ", ".join(
        f"{name} {row[name]} here, {row[f'{name}_theirs']} there" for name in differing
    )


def misadjusted(
    raw: pl.DataFrame, adjusted: pl.DataFrame, splits: pl.DataFrame, today: date
) -> list[Violation]:
    """The bars of one symbol whose adjusted prices are not the raw ones times later splits.

    Args:
        raw: the stored bars (`DATED_BAR_SCHEMA`).
        adjusted: the vendor's (the same); what stands only in one of the two is not judged.
        splits: `SPLIT_SCHEMA`.
        today: splits after it are announced, and not applied yet.
    """
    by_split = steps(events(splits), by="symbol")
    ours = adjust(raw, by_split, Adjustment.SPLITS, today, by="symbol")
    both = ours.join(adjusted, on="date", suffix="_given").sort("date")
    return [
        Violation(row["date"], row["symbol"], text)
        for row in both.iter_rows(named=True)
        if (text := _misadjustment(row))
    ]


def _misadjustment(row: dict[str, float]) -> str:
    for name in PRICES:
        expected, given = row[name], row[f"{name}_given"]
        if abs(given - expected) > max(_RELATIVE * expected, _ABSOLUTE):
            return f"adjusted {name} {given}, by the splits {expected:.4f}"
    return ""
