"""Tenures: segments with their witnesses, cut where the holder of the symbol changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise

from universe_pipeline.domain.listings.evidence import (
    Evidence,
    Source,
    company,
    contradicts,
    differ,
    other_company,
    other_figi,
    other_kind,
    plain,
    same_figi,
    same_statement,
    trusted,
)
from universe_pipeline.domain.listings.market import Market, break_of, jump_of
from universe_pipeline.domain.listings.segments import HALT, Calendar, Segment

NEAR_DELISTING = 10
"""Sessions between a symbol's last bar and the day of its delisting."""


@dataclass(slots=True, eq=False)
class Tenure:
    """One holder of a symbol, from its first bar to its last one."""

    symbol: str
    first: date
    last: date
    witnesses: list[Evidence] = field(default_factory=list[Evidence])
    """Trusted ones, in order."""
    spoken: Evidence | None = None
    """What they say of identity together; None where no list speaks for it."""
    is_delisted: bool = False
    is_unsure: bool = False
    """Whether a holder may have changed inside it."""
    is_other: bool = False
    """Whether lists or the owner say that another security held the symbol right before."""
    begins_at_break: bool = False
    """Whether its first day was found in prices."""
    is_newest: bool = False
    """Whether no later one of the symbol is known."""
    shown: Evidence | None = None
    """Whose name and type are shown: `spoken`, or the next statement, which may be of another."""

    @property
    def place(self) -> tuple[date, str]:
        """Where it stands among all."""
        return self.first, self.symbol


def tenures(
    segments: Sequence[Segment],
    rows: Sequence[Evidence],
    cuts: Sequence[date],
    calendar: Calendar,
    market: Market,
) -> list[Tenure]:
    """The tenures of one symbol, in order.

    Args:
        segments: of the symbol, in order.
        rows: the evidence of the symbol.
        cuts: days on which the owner says that another security begins.
        calendar: the sessions.
        market: asked where lists say that the holder changed without a gap.
    """
    parts = list(_cut(segments, sorted(cuts), calendar))
    found: list[Tenure] = []
    for part, witnesses in zip(parts, _attached(parts, rows, calendar), strict=True):
        found += _divided(part, witnesses, calendar, market)
    for tenure in found:
        tenure.spoken = _spoken(tenure)
    found = _resumed(found, cuts, calendar, market)
    found[-1].is_newest = True
    _show(found, rows, calendar)
    return found


def _cut(segments: Sequence[Segment], cuts: Sequence[date], calendar: Calendar) -> Iterator[Tenure]:
    for each in segments:
        places = [calendar.place(day) for day in cuts if each.first < day <= each.last]
        firsts = [each.first, *map(calendar.at, places)]
        lasts = [*(calendar.at(place - 1) for place in places), each.last]
        for first, last in zip(firsts, lasts, strict=True):
            yield Tenure(each.symbol, first, last, is_other=first != each.first)


def _attached(
    parts: Sequence[Tenure], rows: Sequence[Evidence], calendar: Calendar
) -> list[list[Evidence]]:
    """For each tenure the rows that speak for it."""
    found: list[list[Evidence]] = [[] for _ in parts]
    for row in sorted(rows, key=lambda row: (row.first_on, row.last_on, row.source)):
        if row.source == Source.DELISTED_LIST:
            place = _delisted(parts, row, calendar)
            if place is not None:
                parts[place].is_delisted = True
                found[place].append(row)
            continue
        for place, part in enumerate(parts):
            if row.first_on <= part.last and part.first <= row.last_on:
                found[place].append(row)
    _attach_newest(parts, rows, found, calendar)
    return found


def _delisted(parts: Sequence[Tenure], row: Evidence, calendar: Calendar) -> int | None:
    """The tenure that ended when the row says that the symbol was delisted."""
    away = [abs(calendar.place(row.first_on) - 1 - calendar.place(part.last)) for part in parts]
    nearest = min(range(len(parts)), key=away.__getitem__, default=None)
    return nearest if nearest is not None and away[nearest] <= NEAR_DELISTING else None


def _attach_newest(
    parts: Sequence[Tenure],
    rows: Sequence[Evidence],
    found: list[list[Evidence]],
    calendar: Calendar,
) -> None:
    """A list of today speaks for the last tenure, whose newest bar may be some sessions old."""
    if not parts or parts[-1].is_delisted:
        return
    newest = parts[-1]
    place = calendar.place(newest.last)
    found[-1] += [
        row
        for row in rows
        if row.source == Source.DISCOVERY
        and row.first_on > newest.last
        and calendar.before(row.first_on) - place <= HALT
    ]


def _divided(
    part: Tenure, witnesses: Sequence[Evidence], calendar: Calendar, market: Market
) -> Iterator[Tenure]:
    """The tenure, cut where its witnesses say that it has two holders and the day is found."""
    sure = trusted(witnesses)
    current = replace(part, witnesses=sure[:1])
    for before, after in pairwise(sure):
        change = _change(current, before, after, calendar, market)
        if change is None:
            current.is_unsure |= _is_contested(before, after)
            current.witnesses.append(after)
            continue
        last = calendar.at(calendar.place(change.day) - 1)
        yield replace(current, last=last, is_delisted=False)
        current = replace(
            part,
            first=change.day,
            witnesses=[after],
            is_other=True,
            begins_at_break=change.is_in_prices,
        )
    yield current


def _is_contested(before: Evidence, after: Evidence) -> bool:
    """Whether two statements may name two holders, or one whose issuer's number changed."""
    has_other_issuer = contradicts(before, after) and differ(before.cik, after.cik)
    return has_other_issuer or _is_two(before, after)


def _is_two(before: Evidence, after: Evidence) -> bool:
    """Whether two statements about one unbroken time name two holders."""
    if same_figi(before, after):
        return False
    if other_figi(before, after):
        return True
    has_other_issuer = differ(before.cik, after.cik)
    if other_kind(before, after) and (has_other_issuer or other_company(before, after)):
        return True
    return has_other_issuer and _renamed(before, after)


def _renamed(before: Evidence, after: Evidence) -> bool:
    if not before.name or not after.name:
        return False
    return plain(before.name) != plain(after.name)


@dataclass(frozen=True, slots=True)
class _Change:
    """The first session of the later one of two holders."""

    day: date
    is_in_prices: bool
    """Whether prices say so; otherwise lists of consecutive sessions do."""


def _change(
    part: Tenure, before: Evidence, after: Evidence, calendar: Calendar, market: Market
) -> _Change | None:
    """When the holder changed between two statements; None where it did not, or it is unclear."""
    last, first = max(before.last_on, part.first), min(after.first_on, part.last)
    if first <= last or not _is_two(before, after):
        return None
    is_plain = other_figi(before, after) or other_company(before, after)
    if is_plain and calendar.place(first) - calendar.before(last) <= 1:
        return _Change(calendar.at(calendar.place(first)), is_in_prices=False)
    breaks = market.breaks(part.symbol, last, first)
    day = break_of(breaks) if is_plain else jump_of(breaks)
    return None if day is None or day <= part.first else _Change(day, is_in_prices=True)


def _spoken(tenure: Tenure) -> Evidence | None:
    """The newest statement, with what only earlier ones of the same holder say."""
    if not tenure.witnesses:
        return None
    fields = ("name", "type", "primary_exchange", "cik", "composite_figi", "share_class_figi")
    newest = {name: newest_of(tenure.witnesses, name) for name in fields}
    return replace(tenure.witnesses[-1], **newest)


def _resumed(
    found: Sequence[Tenure], cuts: Sequence[date], calendar: Calendar, market: Market
) -> list[Tenure]:
    """The tenures, in which those before and after a halt, or days that are not loaded, are one.

    A gap without any loaded session shows nothing: until one of them is loaded, or lists speak
    against it, the symbol is taken for the same security's, so that splits in the gap count.
    """
    joined = [found[0]]
    for after in found[1:]:
        before = joined[-1]
        is_near = calendar.between(before.last, after.first) <= HALT
        is_unseen = not calendar.loaded_between(before.last, after.first)
        is_cut = after.is_other or any(before.last < day <= after.first for day in cuts)
        is_one = (is_unseen and not _are_refuted(before, after)) or (
            is_near and _is_halt(before, after, market)
        )
        if is_one and not is_cut:
            joined[-1] = _joined(before, after)
        else:
            joined.append(after)
    return joined


def _is_halt(before: Tenure, after: Tenure, market: Market) -> bool:
    """Whether one holder stopped trading and went on: as lists say, or prices where they do not."""
    if same_row(before, after):
        return True
    if _are_refuted(before, after):
        return False
    if before.spoken and after.spoken and same_statement(before.spoken, after.spoken):
        return True
    step = market.step((before.symbol, before.last), (after.symbol, after.first))
    return step is not None and step.is_continuous


def _are_refuted(before: Tenure, after: Tenure) -> bool:
    """Whether lists say that these are two."""
    left, right = before.spoken, after.spoken
    if left is None or right is None:
        return False
    return _is_two(left, right) or contradicts(left, right) or other_kind(left, right)


def _joined(before: Tenure, after: Tenure) -> Tenure:
    whole = replace(
        before,
        last=after.last,
        witnesses=[*before.witnesses, *(r for r in after.witnesses if r not in before.witnesses)],
        is_delisted=after.is_delisted,
        is_unsure=before.is_unsure or after.is_unsure,
    )
    whole.spoken = _spoken(whole)
    return whole


def same_row(before: Tenure, after: Tenure) -> bool:
    """Whether lists said the same of the symbol all the time between the two."""
    return any(
        row.source != Source.DELISTED_LIST
        and row.first_on <= before.last
        and row.last_on >= after.first
        for row in before.witnesses
        if row in after.witnesses
    )


def newest_of(rows: Sequence[Evidence], name: str) -> str | None:
    """The newest value of a field that any of the rows, which are in order, has."""
    return next((value for row in reversed(rows) if (value := getattr(row, name))), None)


def _show(found: Sequence[Tenure], rows: Sequence[Evidence], calendar: Calendar) -> None:
    """Show, where no list speaks for a tenure, the name and type of the next statement.

    It is not evidence: where only sessions that are not loaded lie in between, it is what is known.
    """
    later = [row for row in rows if row.first_on > found[-1].last]
    shown = min(later, key=lambda row: row.first_on, default=None)
    for place in range(len(found) - 1, -1, -1):
        tenure = found[place]
        tenure.shown = shown = tenure.spoken or shown
        if place and calendar.loaded_between(found[place - 1].last, tenure.first) > HALT:
            shown = None


def is_when_issued(symbol: str) -> bool:
    """Whether it is a line of shares that are not issued yet, which the regular one replaces."""
    return len(symbol) > 1 and symbol.endswith("w") and symbol[:-1].isupper()


def company_of(tenure: Tenure) -> str:
    """The company's name, empty where none is known."""
    return company(tenure.spoken.name or "") if tenure.spoken else ""
