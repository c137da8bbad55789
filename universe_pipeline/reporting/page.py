"""The report as one HTML page that needs nothing else: no script, no address, no other file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from functools import cache
from importlib.metadata import version
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import polars as pl
from markupsafe import Markup

from universe_pipeline.domain.quality.rules import LOAD, Severity
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import NEW_YORK, sessions_between
from universe_pipeline.domain.thresholds import TRAILING
from universe_pipeline.reporting import charts, tables
from universe_pipeline.reporting.axes import NARROW, WIDE, Chart, Width
from universe_pipeline.reporting.calendar import CONDITIONS, calendar
from universe_pipeline.reporting.colours import PALETTE
from universe_pipeline.reporting.frames import HalfYear, Lives, half_years, with_usual
from universe_pipeline.reporting.reading import Stored, Wanted
from universe_pipeline.reporting.rendering import inline, picture

MOST_ROWS = 100
"""Most rows of a table; the page states how many more there are."""

PICTURED_HALVES = 2
"""Half years of the calendar among the pictures."""


def empty(wanted: Wanted) -> str:
    """The page of a database in which nothing is stored."""
    return _template("empty.html").render(**_about(wanted))


def whole(stored: Stored, wanted: Wanted) -> tuple[str, dict[str, str]]:
    """The page, and some of its charts by name as Markdown."""
    compared_bars = with_usual(stored.before, wanted.thresholds)
    compared_bars = compared_bars.filter(pl.col("date") >= stored.days[0])
    halves, lives = list(half_years(stored.sessions)), _lives(stored)
    html = _template("report.html").render(
        **_about(wanted),
        stored=stored,
        conditions={name: stored.conditions.get(name, 0) for name in CONDITIONS},
        later=_later(stored),
        years=list(_years(halves)),
        troubles=tables.troubles(stored.sessions, stored.broken),
        bars=_both(lambda width: charts.bars(compared_bars, width), "Bars per session"),
        outliers=compared_bars["verdict"].drop_nulls().len(),
        compared=compared_bars["usual"].drop_nulls().len(),
        wanted=wanted,
        symbols=_symbols(lives) if lives.spans.height else None,
        rules=[_broken_rules(stored, severity) for severity in Severity],
        judgements=len(tables.columns(stored.judgements)),
        worst=tables.offenders(stored.judgements, stored.days[0], stored.days[-1]),
        errors=tables.open_errors(stored.failures),
        trailing=TRAILING,
        most_rows=MOST_ROWS,
    )
    return html, {
        "calendar": "\n\n".join(
            picture(calendar(half), f"sessions of {half.year}")
            for half in halves[-PICTURED_HALVES:]
        ),
        "bars": picture(charts.bars(compared_bars, WIDE), "bars compared with the usual"),
        "symbols": picture(charts.trading(lives.trading(), WIDE), "symbols that trade"),
    }


def _about(wanted: Wanted) -> dict[str, Any]:
    return {
        "now": wanted.now.astimezone(UTC),
        "in_new_york": wanted.now.astimezone(ZoneInfo(NEW_YORK)),
        "version": version("universe-pipeline"),
        "palette": PALETTE,
    }


@dataclass(frozen=True, slots=True)
class Later:
    """Closed sessions after the report's, of which nothing is stored."""

    sessions: int
    newest: date
    command: str


def _later(stored: Stored) -> Later | None:
    days = sessions_between(stored.days[-1], stored.newest_closed)[1:]
    if not days:
        return None
    command = LOAD.replace("DATE", f"{days[0]}", 1).replace("DATE", f"{days[-1]}")
    return Later(len(days), days[-1], command)


@dataclass(frozen=True, slots=True)
class Year:
    """A year of the calendar."""

    year: int
    halves: Sequence[tuple[str, Markup]]
    """`first` or `second`, and its drawing."""
    conditions: dict[str, int]


def _years(halves: Sequence[HalfYear]) -> Iterator[Year]:
    """The newest year first."""
    in_columns = not all(half.is_second for half in halves)
    for year, of_year in groupby(reversed(halves), key=lambda half: half.year):
        parts = list(of_year)[::-1]
        counts = pl.concat(half.sessions["condition"].to_frame() for half in parts)["condition"]
        conditions = {name: int((counts == name).sum()) for name in CONDITIONS}
        label = f"Sessions of {year} by condition"
        drawn = [
            ("second" if half.is_second and in_columns else "first", _svg(calendar(half), label))
            for half in parts
        ]
        yield Year(year, drawn, conditions)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart for wide windows, and for narrow ones."""

    wide: Markup
    narrow: Markup


def _both(draw: Callable[[Width], Chart], label: str) -> Drawing:
    return Drawing(_svg(draw(WIDE), label), _svg(draw(NARROW), label))


def _svg(chart: Chart, label: str) -> Markup:
    return Markup(inline(chart, label))  # noqa: S704  # of an XML writer, which escapes


def _lives(stored: Stored) -> Lives:
    """The symbols of the universe's types; days are the loaded ones, or all where none is."""
    start, end = stored.days[0], stored.days[-1]
    chosen = stored.spans.filter(pl.col("chosen"), pl.col("last") >= start, pl.col("first") <= end)
    loaded = stored.sessions.filter(pl.col("status") == SessionStatus.LOADED)["date"].to_list()
    return Lives(chosen.drop("chosen"), loaded or stored.days)


@dataclass(frozen=True, slots=True)
class Symbols:
    """What is shown of the symbols."""

    trading: Drawing
    changes: Drawing
    first: date
    at_first: int
    """Symbols that traded around the first session."""
    ended_since: int
    began: int
    ended: int


def _symbols(lives: Lives) -> Symbols:
    trading, changes = lives.trading(), lives.changes()
    first = trading.row(0, named=True)
    return Symbols(
        _both(lambda width: charts.trading(trading, width), "Symbols that trade"),
        _both(lambda width: charts.changes(changes, width), "New and ended symbols by month"),
        first["date"],
        first["lasting"] + first["ended"],
        first["ended"],
        int(changes["began"].sum()),
        int(changes["ended"].sum()),
    )


@dataclass(frozen=True, slots=True)
class BrokenRules:
    """The rules of a severity that were broken in the judgements shown, if any."""

    severity: str
    drawing: Drawing | None
    kept: int
    """Rules that were judged, and never broken."""


_COLOURS = {Severity.ERROR: "error", Severity.WARN: "warn", Severity.INFO: "muted"}


def _broken_rules(stored: Stored, severity: Severity) -> BrokenRules:
    results = tables.results(stored.judgements, severity)
    columns = tables.columns(stored.judgements)
    judged = {each.result.rule for each in stored.judgements if each.result.severity == severity}
    broken = results["rule"].n_unique()
    drawn = (
        _both(
            lambda width: charts.judgements(results, columns, _COLOURS[severity], width),
            f"Rules of severity {severity} by load and verification",
        )
        if broken
        else None
    )
    return BrokenRules(severity.value, drawn, len(judged) - broken)


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("universe_pipeline.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
