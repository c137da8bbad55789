"""Asset checks as groups of quality rules, and how their findings are shown.

A check is named as the sentence that is true when it passes. It fails as an error when one of its
rules of that severity is broken, and else as a warning.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

import dagster as dg

from universe_pipeline.adapters.postgres.quality.standing import StandingRule
from universe_pipeline.domain.foreign_text import as_code, as_markdown
from universe_pipeline.domain.quality import rules
from universe_pipeline.domain.quality.findings import SHOWN, Finding, Violation
from universe_pipeline.domain.quality.rules import Rule, Severity

IN_LINE = 3
"""Offenders in the line that a failed check shows."""

EARLIER = "offenders_found_before"
"""Metadata: how many offenders of sessions that the run did not judge still stand."""

SEVERITY = "severity_of_this_run"
"""Metadata: ERROR or WARN, without what was found before."""


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """A check by its name, what its passing means, and the rules that it is about."""

    name: str
    meaning: str
    rules: tuple[Rule, ...]


COVERS_SESSIONS = RuleCheck(
    "daily_bars_cover_every_session",
    "Every session of the run is loaded.",
    (rules.SESSIONS_USABLE, rules.SESSIONS_LOADED),
)

OF_BARS = (
    RuleCheck(
        "daily_bars_have_consistent_ohlc",
        "High is the highest and low the lowest price of every bar.",
        (rules.OHLC_ORDER, rules.PRICE_POSITIVE),
    ),
    RuleCheck(
        "daily_bars_fall_on_sessions",
        "No bar lies on a day on which the NYSE was closed.",
        (rules.ON_SESSIONS,),
    ),
    RuleCheck(
        "daily_bars_match_their_load",
        "Every session holds what its load stored; its contents are compared in a verification.",
        (rules.COUNTS_KEPT, rules.CONTENTS_KEPT, rules.REVISIONS_SMALL),
    ),
    RuleCheck(
        "daily_bars_sessions_are_whole",
        "No session has far other row counts than usual, repeats another, or lacks benchmarks.",
        (rules.ROW_COUNT_PLAUSIBLE, rules.NO_REPEAT, rules.BENCHMARKS_PRESENT),
    ),
    RuleCheck(
        "daily_bars_sessions_are_usual",
        "Every session resembles the twenty before it.",
        (
            rules.ROW_COUNT_USUAL,
            rules.EXCHANGES_PRESENT,
            rules.REJECTS_USUAL,
            rules.MOVES_USUAL,
            rules.SHIFTED,
            rules.VOLUME_FRACTIONAL,
        ),
    ),
    RuleCheck(
        "daily_bars_rows_are_plausible",
        "Every bar's values are such as bars have.",
        (
            rules.SYMBOL_FORM,
            rules.VOLUME_FINITE,
            rules.TRANSACTIONS_AGREE,
            rules.VWAP_NEAR,
            rules.WICKS_SHORT,
            rules.RANGES_NARROW,
            rules.PRICES_USUAL,
            rules.EARLY_VOLUME_WHOLE,
        ),
    ),
    RuleCheck(
        "daily_bars_series_are_unbroken",
        "Every symbol's bars follow each other as those of one company do.",
        (
            rules.NO_GAPS,
            rules.TRADED_DAILY,
            rules.CLOSES_MOVE,
            rules.CLOSES_CHANGE,
            rules.VOLUME_USUAL,
            rules.PLACEHOLDERS_CARRY,
            rules.ONE_COMPANY,
        ),
    ),
    RuleCheck(
        "daily_bars_prices_agree_with_splits",
        "Prices jump where a split says so, and nowhere else.",
        (
            rules.JUMPS_EXPLAINED,
            rules.SPLITS_SHOWN,
            rules.SPLITS_KNOWN,
            rules.SCALE_KEPT,
            rules.NO_SPIKES,
            rules.CLOSES_NEAR,
        ),
    ),
    RuleCheck(
        "daily_bars_agree_with_the_symbols",
        "What trades is listed, and what is listed trades.",
        (rules.TRADED_LISTED, rules.DELISTED_QUIET, rules.LISTED_TRADED, rules.SOME_END),
    ),
)
"""Those that the bars of a run are read for, once for all."""

AGREES_WITH_VENDOR = RuleCheck(
    "daily_bars_agree_with_the_vendor",
    "Symbols drawn at random have the same bars by the per-symbol endpoint, adjusted ones too, and "
    "the vendor adjusts them by the same factors.",
    (rules.ENDPOINTS_AGREE, rules.ADJUSTED_AGREE, rules.FACTORS_AGREE),
)

OF_SYMBOLS = (
    RuleCheck(
        "symbols_are_unique",
        "No symbol stands twice in the reference list.",
        (rules.SYMBOLS_UNIQUE, rules.FIGI_UNIQUE),
    ),
    RuleCheck(
        "symbols_resemble_the_last_snapshot",
        "Size, types, exchanges and identifiers are about those of the discovery before.",
        (rules.UNIVERSE_STABLE, rules.IDENTIFIERS_STABLE, rules.FIELDS_KEPT),
    ),
)

OF_SPLITS = (
    RuleCheck(
        "splits_are_unique",
        "The vendor's list has no two splits of one symbol and date.",
        (rules.SPLITS_UNIQUE,),
    ),
    RuleCheck(
        "splits_have_usable_ratios",
        "Every row of the vendor's list is a split that can be applied.",
        (rules.SPLITS_USABLE,),
    ),
    RuleCheck(
        "actions_agree_with_prices",
        "Prices show the splits and dividends that are listed, each once.",
        (
            rules.SPLITS_VERIFIED,
            rules.SPLITS_SINGLE,
            rules.DIVIDENDS_BELOW,
            rules.RATIO_UNUSUAL,
            rules.DAY_SHARED,
        ),
    ),
)

OF_DIVIDENDS = (
    RuleCheck(
        "dividends_are_plausible",
        "Every row of the vendor's answers is a dividend whose dates are in order; amounts and "
        "counts resemble those before.",
        (
            rules.DIVIDENDS_USABLE,
            rules.DIVIDEND_DATES_ORDERED,
            rules.DIVIDENDS_ALIKE,
            rules.DIVIDENDS_COUNTED,
        ),
    ),
)

OF_LISTINGS = (
    RuleCheck(
        "identities_are_plausible",
        "Every bar has a listing, and nearly all of the universe's a known one; no identifier, "
        "symbol or security is listed twice on a day, and no price jumps at a rename.",
        (
            rules.BARS_LISTED,
            rules.IDENTITY_KNOWN,
            rules.IDENTIFIER_SINGLE,
            rules.RENAMES_CONTINUOUS,
            rules.LISTINGS_APART,
        ),
    ),
)

KNOWS_LOADS = RuleCheck(
    "data_coverage_knows_every_load",
    "Every committed session of the run is part of the coverage.",
    (rules.COVERAGE_COMPLETE,),
)


def spec(check: RuleCheck, asset: dg.AssetsDefinition) -> dg.AssetCheckSpec:
    """The check as Dagster shows it with its asset."""
    return dg.AssetCheckSpec(check.name, asset=asset, description=check.meaning)


def verdict(
    check: RuleCheck,
    findings: Mapping[Rule, Finding],
    before: Mapping[str, StandingRule] | None = None,
) -> dg.AssetCheckResult:
    """What a check's rules found, and what still stands of earlier judgements.

    A check passes when neither holds an offender: a small load says nothing about the sessions that
    it did not judge. A rule that was not judged is kept.

    Args:
        check: the check.
        findings: of the run, by rule.
        before: by the rule's name, of sessions that the run did not judge.
    """
    broken = [findings[rule] for rule in check.rules if rule in findings and findings[rule].fails]
    earlier = [(before or {}).get(rule.name) for rule in check.rules if rule.severity in _FAILING]
    stands = [each for each in earlier if each is not None]
    own = [each.rule.severity for each in broken] or [rule.severity for rule in check.rules]
    severe = [each.rule.severity for each in broken] + [Severity(each.severity) for each in stands]
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=not broken and not stands,
        severity=_severity(severe or own),
        metadata=_metadata(broken, stands) | {SEVERITY: _severity(own).value},
        description=_described(broken, stands),  # shown at once, the list only when asked for
    )


_FAILING = (Severity.ERROR, Severity.WARN)


def _severity(severities: Sequence[Severity]) -> dg.AssetCheckSeverity:
    is_error = Severity.ERROR in severities
    return dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN


def _metadata(broken: Sequence[Finding], stands: Sequence[StandingRule]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"offenders": sum(each.count for each in broken)}
    if broken:
        metadata["list"] = dg.MetadataValue.md(_listed(broken))
    for each in broken:
        metadata[each.rule.name] = dg.MetadataValue.md(
            f"{each.count:,} times not so: {each.rule.meaning}\n\n{as_code(each.repair)}"
        )
    if stands:
        metadata[EARLIER] = sum(each.count for each in stands)
        metadata["earlier_list"] = dg.MetadataValue.md(_points(map(_standing_line, stands)))
    return metadata


def _standing_line(stands: StandingRule) -> str:
    worst = "; ".join(_example(one) for one in stands.examples[:IN_LINE])
    at = stands.judged_at.astimezone(UTC)
    return f"{stands.rule}, {stands.count:,} as of {at:%Y-%m-%d %H:%M} UTC: {worst}"


def _example(one: Mapping[str, Any]) -> str:
    day = one["date"] and date.fromisoformat(one["date"])
    return str(Violation(day, one["symbol"], one["detail"] or ""))


def _listed(broken: Iterable[Finding]) -> str:
    return _points([str(one) for each in broken for one in each.worst[:SHOWN]])


def _points(texts: Iterable[str]) -> str:
    return "\n".join(f"- {as_markdown(text)}" for text in texts)


def _described(broken: Sequence[Finding], stands: Sequence[StandingRule]) -> str | None:
    """The line of a check, which Dagster's UI renders as Markdown."""
    found = _shortened([str(one) for each in broken for one in each.worst])
    if not stands:
        return found
    earlier = f"{sum(each.count for each in stands):,} found before still stand"
    return f"{found}; {earlier}" if found else f"nothing in this run; {earlier}"


def _shortened(offenders: Sequence[str]) -> str | None:
    if not offenders:
        return None
    more = " …" if len(offenders) > IN_LINE else ""
    return "; ".join(map(as_markdown, offenders[:IN_LINE])) + more
