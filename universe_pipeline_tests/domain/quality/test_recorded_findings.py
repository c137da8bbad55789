"""Real bars of a year around findings that people labelled: how many of those reported are false.

Collected only with `--recorded FOLDER`, which holds `real/findings_YEAR_labelled.csv.gz` (`rule`,
`date`, `symbol`, `label`), `real/bars_around_findings_YEAR.csv.gz` and
`real/splits_YEAR_derived.csv`. The labels date from when the rules reported news as well, so that
the findings of today can be compared with them.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from universe_pipeline.domain.bars import DATED_BAR_SCHEMA
from universe_pipeline.domain.quality import findings
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.domain.quality.scan import Reference, Scan
from universe_pipeline.domain.quality.sessions import Stored
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline_tests.support.made_bars import NO_ROWS

TRUE = (
    "bad bar",
    "corporate action",
    "level change at a bar without volume",
    "other instrument or bad tick",
    "TRUE",
)
"""Labels of faults begin so; the others are of what happened to a company."""

_APART = 3
"""Sessions without a bar after which bars are around another finding."""

_Found = set[tuple[str, date, str]]
"""Rule, day and symbol."""


@dataclass(frozen=True, slots=True)
class Year:
    labelled: pl.DataFrame
    bars: pl.DataFrame
    """`name` differs between a symbol's bars around one finding and around another."""
    splits: pl.DataFrame


def years(folder: Path) -> Iterator[Year]:
    for path in sorted(folder.glob("real/findings_*_labelled.csv.gz")):
        year = path.name.split("_")[1]
        labelled = pl.read_csv(path).with_columns(pl.col("date").str.to_date())
        bars = pl.read_csv(path.with_name(f"bars_around_findings_{year}.csv.gz"))
        split = pl.read_csv(path.with_name(f"splits_{year}_derived.csv"))
        yield _year(labelled, bars.with_columns(pl.col("date").str.to_date()), split)


def _year(labelled: pl.DataFrame, bars: pl.DataFrame, splits: pl.DataFrame) -> Year:
    place = pl.DataFrame({"date": _sessions(bars)}).with_row_index("place")
    found = labelled.select("symbol", "date", is_found=True).unique()
    is_apart = (pl.col("place").diff() > _APART) & pl.col("is_found").is_null()
    around = (
        bars.join(place, on="date")
        .join(found, on=["symbol", "date"], how="left")
        .sort("symbol", "date")
        .with_columns(around=is_apart.fill_null(value=False).cum_sum().over("symbol"))
        .with_columns(name=pl.format("{} {}", "symbol", "around"))
    )
    named = splits.join(around.select("symbol", "name").unique(), on="symbol").select(
        pl.col("execution_date").str.to_date(),
        pl.col("split_from", "split_to").cast(pl.Float64),
        symbol="name",
    )
    return Year(labelled, around, named)


def _sessions(bars: pl.DataFrame) -> list[date]:
    days = bars["date"].sort()
    return list(sessions_between(days[0], days[-1]))


def reported(year: Year) -> _Found:
    """What the rules find that are more than information."""
    sessions = _sessions(year.bars)
    stored = {day: Stored(day, True, 1, 0) for day in sessions}
    scan = Scan(Reference(stored, _NO_SYMBOLS, year.splits, NO_ROWS), Thresholds())
    bars = year.bars.select(
        "date",
        pl.col("open", "high", "low", "close"),
        pl.col("volume").cast(pl.Float64),
        symbol="name",
        vwap=pl.lit(None, pl.Float64),
        transactions=pl.col("volume").sign().cast(pl.Int64),
    ).select(DATED_BAR_SCHEMA.names())
    assert bars.schema == DATED_BAR_SCHEMA
    scan.judge(bars.sort("date", "symbol"), sessions)
    return {
        (each.rule.name, one.day, one.symbol.partition(" ")[0])
        for each in scan.findings()
        if each.rule.severity is not Severity.INFO
        for one in each.worst
        if one.day and one.symbol
    }


_NO_SYMBOLS = pl.DataFrame(
    schema={
        "symbol": pl.String,
        "active": pl.Boolean,
        "delisted_date": pl.Date,
        "exchange": pl.String,
        "chosen": pl.Boolean,
    }
)


def test_at_most_one_in_five_reported_findings_is_false_and_no_true_one_is_lost(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(findings, "SHOWN", 1_000_000)
    counts: dict[str, Counter[str]] = {}
    for year in years(recorded):
        found = reported(year)
        for rule, day, symbol, label, *_ in year.labelled.drop_nulls("label").iter_rows():
            kind = "true" if label.startswith(TRUE) else "false"
            verdict = "reported" if (rule, day, symbol) in found else "left out"
            counts.setdefault(rule, Counter())[f"{kind}, {verdict}"] += 1

    with capsys.disabled():
        for rule, count in counts.items():
            sys.stdout.write(f"\n{rule}: {dict(count)}")
    for count in counts.values():
        kept, lost = count["true, reported"], count["true, left out"]
        assert count["false, reported"] <= (kept + count["false, reported"]) / 5
        assert lost <= (kept + lost) / 50  # bars around a finding lack some of what came before
