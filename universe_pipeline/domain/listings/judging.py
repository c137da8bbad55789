"""From segments and evidence to securities with their listings; unknown where nothing ties them.

Two tenures are joined only where evidence says so, and never where they overlap in time or the
owner parted them. A tenure that nothing ties to its neighbours is a security of its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby, pairwise

from universe_pipeline.domain.listings.evidence import (
    FUNDS,
    Basis,
    Evidence,
    Relation,
    Source,
    agree,
    differ,
    other_figi,
    relation,
)
from universe_pipeline.domain.listings.market import Market
from universe_pipeline.domain.listings.segments import HALT, Calendar, Segment
from universe_pipeline.domain.listings.tenures import (
    Tenure,
    company_of,
    is_when_issued,
    newest_of,
    same_row,
    tenures,
)

RENAMED_WITHIN = 3
"""Sessions without a bar between the last one under a symbol and the first one under another."""

FIGIS = ("share_class_figi", "composite_figi")


@dataclass(frozen=True, slots=True)
class Override:
    """The owner's word, a row of `listing_overrides`."""

    symbol: str
    day: date
    other: tuple[str, date] | None = None
    """Of a join: a day of the other listing. None: a split."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that identity is judged by."""

    segments: Sequence[Segment]
    evidence: Sequence[Evidence]
    overrides: Sequence[Override]
    """Oldest first."""
    calendar: Calendar
    newest: date
    """The newest loaded session."""
    listed_on: date | None
    """The day of the newest list of active tickers; None if none was ever asked for."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A row of `listings`, without its security."""

    symbol: str
    name: str
    type: str | None
    primary_exchange: str | None
    valid_from: date
    valid_to: date | None
    end_reason: str | None
    evidence: Basis


@dataclass(frozen=True, slots=True)
class Security:
    """Listings of one security, in order; never two on a day."""

    listings: tuple[Listing, ...]
    composite_figi: str | None
    share_class_figi: str | None
    cik: str | None


def judge(known: Known, market: Market) -> list[Security]:
    """The securities, in the order of their first sessions."""
    found = _all_tenures(known, market)
    _distrust_shared_figis(found)
    ties = _Ties(found, _begun(known.overrides, found))
    ties.join_by_owner(known.overrides)
    _tie_symbols(found, ties, known.calendar)
    _tie_figis(found, ties, known.calendar)
    _tie_issuers(found, ties, known.calendar, market)
    return [_security(group, ties, known) for group in ties.groups()]


def _all_tenures(known: Known, market: Market) -> list[Tenure]:
    rows: dict[str, list[Evidence]] = defaultdict(list)
    for row in known.evidence:
        rows[row.symbol].append(row)
    cuts: dict[str, list[date]] = defaultdict(list)
    for each in known.overrides:
        if each.other is None:
            cuts[each.symbol].append(each.day)
    found: list[Tenure] = []
    ordered = sorted(known.segments, key=lambda each: (each.symbol, each.first))
    for symbol, segments in groupby(ordered, key=lambda each: each.symbol):
        found += tenures(list(segments), rows[symbol], cuts[symbol], known.calendar, market)
    return sorted(found, key=lambda each: each.place)


def _distrust_shared_figis(found: Iterable[Tenure]) -> None:
    """Take a FIGI from tenures that it cannot be of: it is of one symbol at a time."""
    for name in FIGIS:
        holders: dict[str, list[Tenure]] = defaultdict(list)
        for tenure in found:
            if tenure.spoken and (figi := getattr(tenure.spoken, name)):
                holders[figi].append(tenure)
        for figi, tied in holders.items():
            for tenure in _wrongly_tied(figi, name, tied):
                if tenure.spoken:
                    others = [row for row in tenure.witnesses if getattr(row, name) != figi]
                    tenure.spoken = replace(tenure.spoken, **{name: newest_of(others, name)})


def _wrongly_tied(figi: str, name: str, tied: Sequence[Tenure]) -> list[Tenure]:
    """Of tenures under one FIGI, those that overlap another one which the FIGI rather is of."""
    wrong = [each for each in tied if is_when_issued(each.symbol)]
    regular = [each for each in tied if not is_when_issued(each.symbol)]
    if len(regular) == 1:
        return wrong
    claims = {
        id(each): [row for row in each.witnesses if getattr(row, name) == figi] for each in regular
    }
    clashing = [
        each
        for each in regular
        if any(
            each is not other
            and _speak_of(claims[id(each)], other)
            and _speak_of(claims[id(other)], each)
            for other in regular
        )
    ]
    if not clashing:
        return wrong
    names = {company_of(each) for each in regular if each not in clashing}
    rightful = [each for each in clashing if company_of(each) in names]
    if len(rightful) != 1:
        rightful = _most_often_named(figi, name, clashing)
    return [*wrong, *(each for each in clashing if each not in rightful)]


def _speak_of(rows: Iterable[Evidence], tenure: Tenure) -> bool:
    """Whether any of the rows is of the time of a tenure."""
    until = max(tenure.last, *(row.last_on for row in tenure.witnesses), date.min)
    return any(row.first_on <= until and row.last_on >= tenure.first for row in rows)


def _overlap(left: Tenure, right: Tenure) -> bool:
    return left is not right and left.first <= right.last and right.first <= left.last


def _most_often_named(figi: str, name: str, clashing: Sequence[Tenure]) -> list[Tenure]:
    """The one tenure whose statements name no other FIGI; none where that is not one."""
    loyal = [
        each
        for each in clashing
        if all(getattr(row, name) in (None, figi) for row in each.witnesses)
    ]
    return loyal if len(loyal) == 1 else []


class _Ties:
    """Which tenures are of one security, and why."""

    def __init__(self, found: Sequence[Tenure], begun: Sequence[Tenure]) -> None:
        self._found = found
        self._group = {id(each): [each] for each in found}
        self._begun = {id(each) for each in begun}
        self.basis = {id(each): Basis.OWNER for each in begun}
        """Of tenures that something ties to another one: the strongest."""
        self.unclear: set[int] = set()
        """Tenures of which it is not known whether they continue another one."""

    def join_by_owner(self, overrides: Iterable[Override]) -> None:
        for each in overrides:
            if each.other is None:
                continue
            left = tenure_on(self._found, each.symbol, each.day)
            right = tenure_on(self._found, *each.other)
            if left and right and self.join(left, right, Basis.OWNER):
                self.basis[id(left)] = Basis.OWNER

    def join(self, left: Tenure, right: Tenure, basis: Basis) -> bool:
        """Make them one security, unless they cannot be one; whether they are now."""
        mine, theirs = self._group[id(left)], self._group[id(right)]
        if mine is not theirs:
            pairs = [(one, other) for one in mine for other in theirs]
            if any(self._may_not(one, other) for one, other in pairs):
                return False
            mine += theirs
            for each in theirs:
                self._group[id(each)] = mine
        self.basis.setdefault(id(right), basis)
        return True

    def _may_not(self, one: Tenure, other: Tenure) -> bool:
        later = max(one, other, key=lambda each: each.first)
        return _overlap(one, other) or id(later) in self._begun

    def groups(self) -> list[list[Tenure]]:
        """The securities' tenures in order, by their first sessions."""
        seen = {id(group): group for group in self._group.values()}
        ordered = [sorted(group, key=lambda each: each.place) for group in seen.values()]
        return sorted(ordered, key=lambda group: group[0].place)


def tenure_on(found: Iterable[Tenure], symbol: str, day: date) -> Tenure | None:
    """The tenure of a symbol on a day."""
    held = (each for each in found if each.symbol == symbol and each.first <= day <= each.last)
    return next(held, None)


def _begun(overrides: Sequence[Override], found: Sequence[Tenure]) -> list[Tenure]:
    """The tenures that continue nothing, as the owner says, and did not join to anything later."""
    begun: list[Tenure] = []
    for place, each in enumerate(overrides):
        if each.other is not None:
            continue
        after = next((t for t in found if t.symbol == each.symbol and t.first >= each.day), None)
        if after and not any(_continues(after, join, found) for join in overrides[place:]):
            begun.append(after)
    return begun


def _continues(tenure: Tenure, join: Override, found: Sequence[Tenure]) -> bool:
    """Whether the owner joins the tenure to an earlier one."""
    if join.other is None:
        return False
    ends = tenure_on(found, join.symbol, join.day), tenure_on(found, *join.other)
    return tenure in ends and any(each and each.last < tenure.first for each in ends)


def _tie_symbols(found: Sequence[Tenure], ties: _Ties, calendar: Calendar) -> None:
    """Tie consecutive tenures of one symbol."""
    by_symbol: dict[str, list[Tenure]] = defaultdict(list)
    for each in found:
        by_symbol[each.symbol].append(each)
    for held in by_symbol.values():
        for before, after in pairwise(held):
            if before.spoken is None or after.spoken is None or after.is_other:
                continue
            unbroken = not calendar.loaded_between(before.last, after.first)
            match relation(before.spoken, after.spoken, unbroken=unbroken):
                case Relation.ONE:
                    ties.join(before, after, _basis(after))
                case Relation.UNKNOWN if same_row(before, after):
                    ties.join(before, after, Basis.LIST)
                case Relation.UNKNOWN:
                    ties.unclear.add(id(after))
                case Relation.TWO:
                    pass


def _tie_figis(found: Iterable[Tenure], ties: _Ties, calendar: Calendar) -> None:
    """Tie the end of one symbol to the beginning of another that has its FIGI."""
    for name in FIGIS:
        holders: dict[str, list[Tenure]] = defaultdict(list)
        for each in found:
            if each.spoken and (figi := getattr(each.spoken, name)):
                holders[figi].append(each)
        for held in holders.values():
            for before, after in pairwise(held):
                if _is_renamed(before, after, calendar):
                    ties.join(before, after, Basis.FIGI)


def _is_renamed(before: Tenure, after: Tenure, calendar: Calendar) -> bool:
    if before.symbol == after.symbol or not _follows(before, after, calendar, HALT):
        return False
    if before.spoken is None or after.spoken is None:
        return False
    return not other_figi(before.spoken, after.spoken)


def _follows(before: Tenure, after: Tenure, calendar: Calendar, within: int) -> bool:
    return before.last < after.first and calendar.loaded_between(before.last, after.first) <= within


def _tie_issuers(found: Iterable[Tenure], ties: _Ties, calendar: Calendar, market: Market) -> None:
    """Tie the end of an issuer's only security of a type to the beginning of its next one."""
    issued: dict[str, list[Tenure]] = defaultdict(list)
    for each in found:
        if each.spoken and each.spoken.cik and not is_when_issued(each.symbol):
            issued[each.spoken.cik].append(each)
    for held in issued.values():
        for after in held:
            before = _only_one_before(after, held, calendar)
            if before is not None and before.symbol != after.symbol:
                _tie_issue(before, after, ties, market)


def _only_one_before(after: Tenure, held: Sequence[Tenure], calendar: Calendar) -> Tenure | None:
    """The issuer's tenure that `after` follows, if each is the only one of its type then."""
    alike = [each for each in held if _may_be_of_type(each, after)]
    ended = [each for each in alike if _near(each, after, calendar)]
    if len(ended) != 1 or not _is_of_type(ended[0], after):
        return None
    traded = [_trading(alike, day) for day in (ended[0].last, after.first)]
    return ended[0] if traded == [1, 1] else None


def _trading(held: Iterable[Tenure], day: date) -> int:
    return sum(each.first <= day <= each.last for each in held)


def _near(before: Tenure, after: Tenure, calendar: Calendar) -> bool:
    return (
        before.last < after.first and calendar.between(before.last, after.first) <= RENAMED_WITHIN
    )


def _may_be_of_type(left: Tenure, right: Tenure) -> bool:
    kinds = {each.spoken.type if each.spoken else None for each in (left, right)}
    return None in kinds or len(kinds) == 1


def _is_of_type(left: Tenure, right: Tenure) -> bool:
    return bool(left.spoken and right.spoken and agree(left.spoken.type, right.spoken.type))


def _tie_issue(before: Tenure, after: Tenure, ties: _Ties, market: Market) -> None:
    if before.spoken is None or after.spoken is None or _figis_differ(before.spoken, after.spoken):
        return
    is_named_alike = company_of(before) == company_of(after) != ""
    if after.spoken.type in FUNDS and not is_named_alike:
        return  # a trust issues many funds
    step = market.step((before.symbol, before.last), (after.symbol, after.first))
    if step is not None and step.is_continuous:
        ties.join(before, after, Basis.CIK)
    else:
        ties.unclear.add(id(after))


def _figis_differ(left: Evidence, right: Evidence) -> bool:
    return any(differ(getattr(left, name), getattr(right, name)) for name in FIGIS)


def _basis(tenure: Tenure) -> Basis:
    """What a tenure's own statements identify it by."""
    spoken = tenure.spoken
    if spoken is None or tenure.is_unsure:
        return Basis.UNKNOWN
    if spoken.composite_figi or spoken.share_class_figi:
        return Basis.FIGI
    return Basis.CIK if spoken.cik else Basis.LIST


def _evidence(tenure: Tenure, ties: _Ties) -> Basis:
    tied = ties.basis.get(id(tenure))
    if tied is Basis.OWNER:
        return tied
    if tenure.is_unsure:
        return Basis.UNKNOWN
    if tied is not None:
        return tied
    if id(tenure) in ties.unclear:
        return Basis.UNKNOWN
    return Basis.BARS if tenure.begins_at_break else _basis(tenure)


def _security(group: Sequence[Tenure], ties: _Ties, known: Known) -> Security:
    spoken = [each.spoken for each in group if each.spoken is not None]
    return Security(
        tuple(
            _listing(each, after, _evidence(each, ties), known)
            for each, after in zip(group, [*group[1:], None], strict=True)
        ),
        newest_of(spoken, "composite_figi"),
        newest_of(spoken, "share_class_figi"),
        newest_of(spoken, "cik"),
    )


def _listing(tenure: Tenure, after: Tenure | None, evidence: Basis, known: Known) -> Listing:
    said = tenure.shown
    valid_to, end_reason = _end(tenure, after, known)
    return Listing(
        symbol=tenure.symbol,
        name=(said.name or "") if said else "",
        type=said.type if said else None,
        primary_exchange=said.primary_exchange if said else None,
        valid_from=tenure.first,
        valid_to=valid_to,
        end_reason=end_reason,
        evidence=evidence,
    )


def _end(tenure: Tenure, after: Tenure | None, known: Known) -> tuple[date | None, str | None]:
    until = known.calendar.at(known.calendar.place(tenure.last) + 1)
    if after is not None and after.symbol != tenure.symbol:
        return until, "renamed"
    if tenure.is_delisted:
        return until, "delisted"
    return (None, None) if _is_listed(tenure, known) else (until, "unknown")


def _is_listed(tenure: Tenure, known: Known) -> bool:
    """Whether it still is, as far as the newest list of active tickers and the bars say."""
    if not tenure.is_newest:
        return False
    active = [row.last_on for row in tenure.witnesses if row.source == Source.DISCOVERY]
    if active and known.listed_on is not None and known.listed_on > tenure.last:
        return max(active) >= known.listed_on
    return known.calendar.between(tenure.last, known.newest) < HALT
