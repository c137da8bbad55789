"""Asset checks: the quality rules over what a run loaded, or over all that was asked for.

In a ranged run one evaluation speaks for all sessions of the run and lists the offending ones.
What the rules found is also kept in `rule_results`; a session that breaks one that quarantines is
kept from readers. No check blocks: the good sessions of a range must go on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime

import dagster as dg
from pydantic import Field

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.asked import ever_asked
from universe_pipeline.adapters.postgres.ledger.fetch_errors import failures_of_run
from universe_pipeline.adapters.postgres.quality.rule_results import record_results, record_verdicts
from universe_pipeline.adapters.postgres.quality.standing import standing
from universe_pipeline.domain.completeness import day_of
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.rules import SESSIONS_USABLE
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import newest_closed
from universe_pipeline.loading.quality.actions import judge_actions
from universe_pipeline.loading.quality.comparison import compare, draw_symbols
from universe_pipeline.loading.quality.dividends import judge_dividends
from universe_pipeline.loading.quality.identities import judge_identities
from universe_pipeline.loading.quality.stored import (
    judge_bars,
    judge_coverage,
    judge_loads,
    judge_split_list,
    judge_universe,
)
from universe_pipeline.orchestration.assets.daily_bars import daily_bars
from universe_pipeline.orchestration.assets.data_coverage import data_coverage
from universe_pipeline.orchestration.assets.dividends import dividends
from universe_pipeline.orchestration.assets.listings import listings
from universe_pipeline.orchestration.assets.splits import splits
from universe_pipeline.orchestration.assets.symbols import symbols
from universe_pipeline.orchestration.checks.evaluation import (
    AGREES_WITH_VENDOR,
    COVERS_SESSIONS,
    KNOWS_LOADS,
    OF_BARS,
    OF_DIVIDENDS,
    OF_LISTINGS,
    OF_SPLITS,
    OF_SYMBOLS,
    RuleCheck,
    spec,
    verdict,
)
from universe_pipeline.orchestration.failures import stop
from universe_pipeline.orchestration.internals import kept
from universe_pipeline.orchestration.partitions import asked_for, sessions_of, span
from universe_pipeline.orchestration.resources import (
    JudgedResource,
    PolygonResource,
    PostgresResource,
)
from universe_pipeline.orchestration.tags import VERIFICATION
from universe_pipeline.settings import no_key


@dg.multi_asset_check(
    specs=[spec(check, daily_bars) for check in (COVERS_SESSIONS, *OF_BARS)],
    can_subset=True,  # the UI executes them one by one, too
    description="Judge the sessions of the run, or all that was asked for, by the quality rules.",
)
def daily_bars_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource, judged: JudgedResource
) -> Iterator[dg.AssetCheckResult | dg.Output[None]]:
    """Judge the sessions of the run; sessions that failed make the run itself fail at the end."""
    chosen = {key.name for key in context.selected_asset_check_keys}
    with postgres.database.connect() as connection:
        began = wiring.now(postgres.settings)
        sessions = _sessions(context, connection, began)
        if not sessions:
            context.log.warning("nothing is checked: no session of the run has closed")
            yield from kept.last_verdicts(context)
            return
        findings: list[Finding] = []
        if any(check.name in chosen for check in OF_BARS):
            thresholds = postgres.settings.thresholds
            fingerprints = _occasion(context) == VERIFICATION
            findings = judged.findings(connection, sessions) or judge_bars(
                connection, sessions, thresholds, fingerprints=fingerprints
            )
            _quarantine(context, connection, sessions, findings, began)
        revisit = postgres.settings.universe_revisit_sessions
        findings += judge_loads(connection, sessions, began, revisit)
        _record(context, connection, findings, sessions, wiring.now(postgres.settings))
        found = {each.rule: each for each in findings}
        before = standing(connection, without=context.run.run_id, judged=sessions)
        for check in (COVERS_SESSIONS, *OF_BARS):
            if check.name in chosen:
                yield verdict(check, found, before)
        if _occasion(context) != VERIFICATION:
            _fail_for_failed(context, connection, found[SESSIONS_USABLE])


def _sessions(
    context: dg.AssetCheckExecutionContext, connection: Connection, now: datetime
) -> list[date]:
    """The closed sessions of the run; without partitions all that was ever asked for."""
    newest = newest_closed(now)
    if sessions := sessions_of(context.run.tags):
        return [day for day in asked_for(context.run, sessions) if day <= newest]
    return ever_asked(connection, newest).sessions


def _occasion(context: dg.AssetCheckExecutionContext) -> str:
    """Whether the run judges what it loads, or what was loaded before."""
    run = context.run
    alone = bool(run.asset_check_selection) and not run.asset_selection
    return VERIFICATION if run.job_name == VERIFICATION or alone else "load"


def _quarantine(
    context: dg.AssetCheckExecutionContext,
    connection: Connection,
    sessions: Sequence[date],
    findings: Sequence[Finding],
    judged_at: datetime,
) -> None:
    """Most were quarantined when they were stored; these, sessions loaded since show."""
    whole = [each for each in findings if each.rule.degrades]
    for session in record_verdicts(connection, sessions, whole, context.run.run_id, judged_at):
        context.log.error("session %s is quarantined", session)
        cover(connection)


def _record(
    context: dg.AssetCheckExecutionContext,
    connection: Connection,
    findings: Sequence[Finding],
    sessions: Sequence[date],
    now: datetime,
) -> None:
    ends = (sessions[0], sessions[-1]) if sessions else None
    record_results(connection, _occasion(context), findings, ends, context.run.run_id, now)


def _fail_for_failed(
    context: dg.AssetCheckExecutionContext, connection: Connection, unusable: Finding
) -> None:
    """A run with failed sessions must not end green: its other sessions are loaded and marked."""
    failed = [one.day for one in unusable.worst if one.day and one.detail == SessionStatus.FAILED]
    reasons = failures_of_run(connection, context.run.run_id)
    if failed:
        because = f": {reasons[0].message}" if reasons else ""
        raise stop(f"{span(failed)} could not be loaded{because}")


@dg.multi_asset_check(
    specs=[spec(check, splits) for check in OF_SPLITS],
    can_subset=True,
    description="Judge the rows of the vendor's list of splits, and the verdicts on all actions.",
)
def splits_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Name the rows that are not stored: bars around them are adjusted as if they were not."""

    def judged(connection: Connection) -> list[Finding]:
        return [*judge_split_list(connection), *judge_actions(connection)]

    yield from _of_list(context, postgres, OF_SPLITS, judged)


@dg.multi_asset_check(
    specs=[spec(check, dividends) for check in OF_DIVIDENDS],
    can_subset=True,
    description="Judge the dividends, and the rows of the vendor's answers that are not stored.",
)
def dividends_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Name rows that are not stored, and stored ones that contradict themselves or those before."""
    yield from _of_list(context, postgres, OF_DIVIDENDS, judge_dividends)


@dg.multi_asset_check(
    specs=[spec(check, listings) for check in OF_LISTINGS],
    can_subset=True,
    description="Judge the listings, by themselves and by the sessions that have bars.",
)
def listings_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Name bars without a listing, and count those whose listing is unknown."""
    yield from _of_list(context, postgres, OF_LISTINGS, judge_identities)


@dg.multi_asset_check(
    specs=[spec(check, symbols) for check in OF_SYMBOLS],
    can_subset=True,
    description="Judge the reference list, and compare it with the discovery before.",
)
def symbols_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Judge the reference list."""
    yield from _of_list(context, postgres, OF_SYMBOLS, judge_universe)


def _of_list(
    context: dg.AssetCheckExecutionContext,
    postgres: PostgresResource,
    checks: Iterable[RuleCheck],
    judge: Callable[[Connection], Sequence[Finding]],
) -> Iterator[dg.AssetCheckResult]:
    """Judge what has no sessions, keep what was found, and answer those `checks` that are asked."""
    with postgres.database.connect() as connection:
        findings = judge(connection)
        _record(context, connection, findings, [], wiring.now(postgres.settings))
    chosen = {key.name for key in context.selected_asset_check_keys}
    found = {each.rule: each for each in findings}
    yield from (verdict(check, found) for check in checks if check.name in chosen)


@dg.multi_asset_check(
    specs=[spec(KNOWS_LOADS, data_coverage)],
    can_subset=True,
    description="Compare the coverage with the sessions that are loaded.",
)
def data_coverage_checks(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult | dg.Output[None]]:
    """Judge whether the coverage knows the sessions of the run."""
    with postgres.database.connect() as connection:
        sessions = _sessions(context, connection, wiring.now(postgres.settings))
        if not sessions:
            yield from kept.last_verdicts(context)
            return
        finding = judge_coverage(connection, sessions)
        _record(context, connection, [finding], sessions, wiring.now(postgres.settings))
    yield verdict(KNOWS_LOADS, {finding.rule: finding})


class Sample(dg.Config):
    """How many symbols to compare with the vendor; without configuration none, and no verdict."""

    size: int = Field(
        default=0,
        description="Symbols to draw and compare with the vendor bar by bar, with four requests "
        "each; 0 = none: the check keeps its last verdict.",
    )
    seed: int = Field(
        default=0, description="Number that draws the symbols: the same number, the same symbols."
    )


@dg.multi_asset_check(
    specs=[spec(AGREES_WITH_VENDOR, daily_bars)],
    can_subset=True,
    description="Compare a sample of symbols with the vendor, in runs that configure its size.",
)
def sample_checks(
    context: dg.AssetCheckExecutionContext,
    config: Sample,
    polygon: PolygonResource,
    postgres: PostgresResource,
) -> Iterator[dg.AssetCheckResult | dg.Output[None]]:
    """Compare symbols with the vendor where the run is configured to, and there is a key."""
    database, now = postgres.database, wiring.now(postgres.settings)
    with database.connect() as connection:
        whole = ever_asked(connection, newest_closed(now))
        sessions = whole.with_all_symbols(_sessions(context, connection, now))
        if because := _no_sample(config, sessions, postgres):
            context.log.info("no symbol is compared with the vendor: %s", because)
            yield from kept.last_verdicts(context)
            return
    with (
        database.connect() as connection,
        polygon.client(database, context.run, connection) as client,
    ):
        drawn = draw_symbols(connection, config.size, config.seed)
        context.log.info("%s symbols drawn by seed %s: %s", len(drawn), config.seed, drawn)
        findings = compare(client, connection, drawn, sessions, day_of(now))
        _record(context, connection, findings, sessions, wiring.now(postgres.settings))
    yield verdict(AGREES_WITH_VENDOR, {each.rule: each for each in findings})


def _no_sample(config: Sample, sessions: Sequence[date], postgres: PostgresResource) -> str | None:
    """Why nothing is compared with the vendor; None where something is."""
    if not config.size:
        return "the run's configuration asks for none"
    if postgres.settings.polygon_api_key is None:
        return no_key()
    return None if sessions else "no session is loaded"


CHECKS = [
    daily_bars_checks,
    symbols_checks,
    data_coverage_checks,
    sample_checks,
    splits_checks,
    dividends_checks,
    listings_checks,
]
