"""Asset checks: each is named as the sentence that is true when it passes.

In a ranged run one evaluation speaks for all sessions of the run and lists the offending ones.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres import loads, reading
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.failures import failures_of_run
from universe_pipeline.adapters.postgres.splits import rejected_splits
from universe_pipeline.domain.quality import DUPLICATE
from universe_pipeline.domain.sessions import closed_days, newest_closed
from universe_pipeline.orchestration.assets.daily_bars import daily_bars
from universe_pipeline.orchestration.assets.data_coverage import data_coverage
from universe_pipeline.orchestration.assets.splits import splits
from universe_pipeline.orchestration.assets.symbols import symbols
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.partitions import asked_for, sessions_of, span
from universe_pipeline.orchestration.resources import PostgresResource

SHOWN = 50
"""Offenders listed in a check's metadata; the count is always complete."""

TOLD = 3
"""Offenders in the line that a failed check shows."""

_BARS = {
    "daily_bars_cover_every_session": "Every session of the run is loaded.",
    "daily_bars_have_consistent_ohlc": "High is the highest and low the lowest price of every bar.",
    "daily_bars_fall_on_sessions": "No bar lies on a day on which the NYSE was closed.",
    "daily_bars_match_their_load": "Every session holds as many bars as its load stored.",
}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=daily_bars, description=meaning)
        for name, meaning in _BARS.items()
    ],
    can_subset=True,  # the UI executes them one by one, too
)
def daily_bars_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Judge the sessions of the run; sessions that failed make the run itself fail at the end."""
    chosen = {key.name for key in context.selected_asset_check_keys}
    with postgres.database.connect() as connection:
        sessions = _sessions(context, connection)
        lacking = _lacking(connection, asked_for(context.run, sessions))
        for verdict in _verdicts_on_bars(connection, sessions, lacking):
            if verdict.check_name in chosen:
                yield verdict
        _fail_for_failed(context, connection, lacking)


def _verdicts_on_bars(
    connection: Connection, sessions: list[date], lacking: Sequence[tuple[date, str]]
) -> Iterator[dg.AssetCheckResult]:
    yield _verdict(
        "daily_bars_cover_every_session",
        [f"{session}: {state}" for session, state in lacking],
        severity=_severity(lacking),
    )
    yield _verdict(
        "daily_bars_have_consistent_ohlc",
        [f"{day} {symbol}" for day, symbol in reading.inconsistent_bars(connection, sessions)],
    )
    closed = closed_days(sessions[0], sessions[-1]) if sessions else ()
    yield _verdict(
        "daily_bars_fall_on_sessions",
        [f"{day}: {count} bars" for day, count in reading.bars_on(connection, closed)],
    )
    miscounted = reading.miscounted_sessions(connection, sessions)
    yield _verdict(
        "daily_bars_match_their_load",
        [f"{day}: {found} bars, {stored} stored" for day, stored, found in miscounted],
    )


def _sessions(context: dg.AssetCheckExecutionContext, connection: Connection) -> list[date]:
    """The sessions of the run; of a run without partitions, such as "execute check", all loaded."""
    sessions = sessions_of(context.run.tags)
    return sessions or [state.session for state in loads.all_committed(connection)]


def _lacking(connection: Connection, sessions: Sequence[date]) -> list[tuple[date, str]]:
    """Sessions that are not loaded, with the state that they are in instead."""
    known = loads.states(connection, sessions)
    newest = newest_closed(wiring.now())
    lacking: list[tuple[date, str]] = []
    for session in sessions:
        if session not in known:
            lacking.append((session, "not closed" if session > newest else "not asked for"))
        elif known[session].status not in ("loaded", "empty"):
            lacking.append((session, known[session].status))
    return lacking


def _severity(lacking: Sequence[tuple[date, str]]) -> dg.AssetCheckSeverity:
    """Only a session that was asked for and cannot be used is an error."""
    broken = any(state in ("failed", "quarantined") for _, state in lacking)
    return dg.AssetCheckSeverity.ERROR if broken or not lacking else dg.AssetCheckSeverity.WARN


def _fail_for_failed(
    context: dg.AssetCheckExecutionContext,
    connection: Connection,
    lacking: Sequence[tuple[date, str]],
) -> None:
    """A run with failed sessions must not end green: its other sessions are loaded and marked."""
    failed = [day for day, state in lacking if state == "failed"]
    reasons = failures_of_run(connection, context.run.run_id)
    if failed:
        because = f": {reasons[0].message}" if reasons else ""
        raise stop(f"{span(failed)} could not be loaded{because}")


@dg.asset_check(asset=symbols)
def symbols_are_unique(postgres: PostgresResource) -> dg.AssetCheckResult:
    """No symbol stands twice in the reference list."""
    with postgres.database.connect() as connection:
        repeated = reading.repeated_symbols(connection)
    return _verdict(None, [f"{symbol}: {count} times" for symbol, count in repeated])


_SPLITS = {
    "splits_are_unique": "The vendor's list has no two splits of one symbol and date.",
    "splits_have_usable_ratios": "Every row of the vendor's list is a split that can be applied.",
}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=splits, description=meaning)
        for name, meaning in _SPLITS.items()
    ],
    can_subset=True,
)
def splits_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Name the rows that are not stored: bars around them are adjusted as if they were not."""
    chosen = {key.name for key in context.selected_asset_check_keys}
    with postgres.database.connect() as connection:
        rejected = rejected_splits(connection)
    for name in _SPLITS:
        if name in chosen:
            offenders = [
                f"{day} {symbol}: {rule}"
                for symbol, day, rule in rejected
                if (rule == DUPLICATE) is (name == "splits_are_unique")
            ]
            yield _verdict(name, offenders, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=data_coverage)
def data_coverage_knows_every_load(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Every committed session of the run is part of the coverage."""
    with postgres.database.connect() as connection:
        unknown = reading.uncovered_loads(connection, _sessions(context, connection))
    return _verdict(None, [str(session) for session in unknown])


def _verdict(
    name: str | None,
    offenders: Sequence[str],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"offenders": len(offenders)}
    if offenders:
        metadata["list"] = dg.MetadataValue.md("\n".join(f"- {text}" for text in offenders[:SHOWN]))
    return dg.AssetCheckResult(
        check_name=name,
        passed=not offenders,
        severity=severity,
        metadata=metadata,
        description=_told(offenders),  # shown at once, the list only when asked for
    )


def _told(offenders: Sequence[str]) -> str | None:
    if not offenders:
        return None
    return "; ".join(offenders[:TOLD]) + (" …" if len(offenders) > TOLD else "")


CHECKS = [daily_bars_checks, symbols_are_unique, data_coverage_knows_every_load, splits_checks]
