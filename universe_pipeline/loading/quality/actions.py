"""The rules about splits and dividends, by their verdicts."""

from collections.abc import Iterable, Iterator

from universe_pipeline.adapters.postgres.actions.verdicts import (
    Judged,
    applied_splits,
    shared_days,
    unconfirmed,
)
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.quality.findings import Finding, Violation, listed
from universe_pipeline.domain.quality.rules import (
    DAY_SHARED,
    DIVIDENDS_BELOW,
    RATIO_UNUSUAL,
    SPLITS_SINGLE,
    SPLITS_VERIFIED,
)
from universe_pipeline.domain.splits import is_unusual
from universe_pipeline.domain.verdicts import Kind, Verdict

_REFUTED = (Verdict.CONTRADICTED, Verdict.DOUBTFUL, Verdict.NOT_BELOW_PRICE)


def judge_actions(connection: Connection) -> list[Finding]:
    """Judge the verdicts that hold; what the owner corrected is settled."""
    found = unconfirmed(connection, (*_REFUTED, Verdict.TWIN))
    open_ones = [each for each in found if each.reason is None]
    refuted = [each for each in open_ones if each.verdict in _REFUTED]
    return [
        listed(SPLITS_VERIFIED, _violations(refuted, Kind.SPLIT)),
        listed(SPLITS_SINGLE, _violations(each for each in open_ones if each not in refuted)),
        listed(DIVIDENDS_BELOW, _violations(refuted, Kind.DIVIDEND)),
        listed(RATIO_UNUSUAL, _unusual(connection)),
        listed(DAY_SHARED, (Violation(day, name, "") for name, day in shared_days(connection))),
    ]


def _violations(actions: Iterable[Judged], kind: Kind | None = None) -> Iterator[Violation]:
    for each in actions:
        if kind in (None, each.kind):
            moved = "" if each.applied_on is None else f", applied on {each.applied_on}"
            yield Violation(each.day, each.symbol, f"{each.words}: {each.verdict}{moved}")


def _unusual(connection: Connection) -> Iterator[Violation]:
    for symbol, day, split_from, split_to in applied_splits(connection):
        if is_unusual(split_from, split_to):
            yield Violation(day, symbol, f"{split_to:.12g} for {split_from:.12g}")
