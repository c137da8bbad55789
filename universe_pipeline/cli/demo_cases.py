"""What `demo` shows of identity and of corporate actions: counts, each with a planted example.

An example is missing where the demo's sessions do not reach it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.actions.verdicts import Judged, counts, unconfirmed
from universe_pipeline.adapters.postgres.identity.overrides import Row, listings
from universe_pipeline.domain.errors import DataError
from universe_pipeline.domain.verdicts import Kind, Verdict
from universe_pipeline.research.arguments import ADJUSTMENTS
from universe_pipeline.research.reader import Reader
from universe_pipeline.settings import Settings

_EXAMPLES = ("FIGOL", "REFND", "DELIN", "WHISSw", "LATES", "HUNDR")
"""Tickers that the simulated vendor plants, one for each line."""

_ADJUSTED = "ADJUS"
"""Pays a dividend and later splits, within 16 sessions."""

_WRONG = (Verdict.CONTRADICTED, Verdict.DOUBTFUL)

_NOT_JUDGED = (Verdict.ANNOUNCED, Verdict.UNASSIGNED)
"""Of actions in the future, and on days that are not loaded."""


def cases(settings: Settings, first: date) -> list[str]:
    """Lines on the listings, the verdicts and the close of the demo's first session."""
    with wiring.reading(settings) as connection:
        rows, by_kind = listings(connection), counts(connection)
        wrong = unconfirmed(connection, _WRONG)
    verdicts = (_verdicts(kind, by_kind.get(kind, {}), wrong) for kind in Kind)
    return [*_identities(rows), *verdicts, *_prices(settings, first)]


def _identities(rows: Sequence[Row]) -> list[str]:
    renamed = _several(rows, lambda row: row.security_id, lambda row: row.symbol)
    reused = _several(rows, lambda row: row.symbol, lambda row: row.security_id)
    delisted = [[row] for row in rows if row.end_reason == "delisted"]
    unknown = [[row] for row in rows if row.evidence == "unknown"]
    return [
        _line("renamed", "securities", renamed, _rename),
        _line("reused", "symbols", reused, _reuse),
        _line("delisted", "listings", delisted, _end),
        _line("unknown", "listings", unknown, _unknown),
    ]


def _several(
    rows: Iterable[Row], one: Callable[[Row], str | int], many: Callable[[Row], str | int]
) -> list[list[Row]]:
    """Listings that share `one` value and differ in `many`, in order of time."""
    found = defaultdict[str | int, list[Row]](list)
    for row in rows:
        found[one(row)].append(row)
    groups = (group for group in found.values() if len({many(row) for row in group}) > 1)
    return [sorted(group, key=lambda row: row.valid_from) for group in groups]


def _line(
    head: str, what: str, groups: Sequence[list[Row]], say: Callable[[Sequence[Row]], str]
) -> str:
    example = next((group for group in groups if group[0].symbol in _EXAMPLES), None)
    return f"{head:10}{len(groups):,} {what}" + (f": {say(example)}" if example else "")


def _rename(rows: Sequence[Row]) -> str:
    return f"{rows[0].symbol} became {rows[1].symbol} on {rows[1].valid_from}"


def _reuse(rows: Sequence[Row]) -> str:
    return f"{rows[0].symbol} was {rows[0].name}, since {rows[1].valid_from} {rows[1].name}"


def _end(rows: Sequence[Row]) -> str:
    return f"{rows[0].symbol} on {rows[0].valid_to}"


def _unknown(rows: Sequence[Row]) -> str:
    return f"nothing ties {rows[0].symbol} to a security"


def _verdicts(kind: Kind, counted: Mapping[str, int], wrong: Sequence[Judged]) -> str:
    examples = {
        action.verdict: f" ({_wrong(action)})"
        for action in wrong
        if action.kind == kind and action.symbol in _EXAMPLES
    }
    judged = [
        f"{count:,} {verdict}{examples.get(verdict, '')}"
        for verdict, count in counted.items()
        if verdict not in _NOT_JUDGED
    ]
    return f"{kind + 's':10}{', '.join(judged) or 'none judged'}"


def _wrong(action: Judged) -> str:
    what = action.words.removeprefix(f"{action.kind} ")
    better = f", applied on {action.applied_on}" if action.applied_on else ""
    return f"{action.symbol} {what} of {action.day}{better}"


def _prices(settings: Settings, day: date) -> list[str]:
    try:
        traded, of_splits, total = _closes(settings, day)
    except DataError:
        return []  # a load that failed: the summary shows it
    if traded in {of_splits, total}:
        return []
    adjusted = f"{of_splits:.2f} for splits, {total:.2f} as total return"
    return [f"{'close':10}{_ADJUSTED} on {day}: {traded:.2f} as traded, {adjusted}"]


def _closes(settings: Settings, day: date) -> list[float]:
    """The close of a day in each adjustment."""
    with Reader(wiring.open_for_reading(settings)) as data:
        return [
            data.bars(_ADJUSTED, day, day, columns=["close"], adjustment=each)["close"].item()
            for each in ADJUSTMENTS
        ]
