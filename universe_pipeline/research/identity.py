"""Which bars a reader means by a symbol or an id."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from universe_pipeline.adapters.postgres.bars.packed_reads import Span
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.reference.holdings import (
    Holding,
    holdings,
    successors,
    unknown_symbols,
)
from universe_pipeline.domain.errors import AmbiguousSymbol, UnknownSymbol
from universe_pipeline.research.histories import Part

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Range:
    """The days of a read, both included."""

    start: date
    end: date
    is_end_given: bool = True
    """Whether the reader named the end: then a symbol means the security that bears it there."""


def parts(
    connection: Connection, asked: Sequence[str | int], days: Range, *, follow: bool
) -> list[Part]:
    """The spans of what was asked for, by label and day.

    Raises:
        UnknownSymbol: no list and no bar has it.
        AmbiguousSymbol: several securities bore it in the range.
    """
    ids = [one for one in asked if isinstance(one, int)]
    symbols = [one for one in asked if isinstance(one, str)]
    known = holdings(connection, symbols, ids)
    now = successors(connection, ids) if ids else {}
    if lost := [one for one in ids if one not in now]:
        raise UnknownSymbol(f"no security has the id {lost[0]}")
    found = [*_of_ids(known, [now[one] for one in ids], days)]
    for symbol in symbols:
        found += _of_symbol(known, symbol, days, follow=follow)
    unlisted = [part.label for part in found if part.security_id is None]
    if unknown := unknown_symbols(connection, unlisted) if unlisted else []:
        raise UnknownSymbol(f"{unknown[0]} is in no reference list and has no bar")
    return sorted(found, key=lambda part: (part.label, part.span.first))


def _of_ids(known: Sequence[Holding], ids: Sequence[int], days: Range) -> Iterator[Part]:
    """The spans of each security; one that shares its last symbol with another bears its key."""
    last = {one: _borne(known, one, days)[-1:] for one in ids}
    symbols = [held[0].symbol for held in last.values() if held]
    for one, held in last.items():
        if held:
            newest = held[0]
            is_shared = symbols.count(newest.symbol) > 1
            label = newest.security_key if is_shared else newest.symbol
            yield from _of_security(known, one, days, label)


def _of_symbol(
    known: Sequence[Holding], symbol: str, days: Range, *, follow: bool
) -> Iterator[Part]:
    held = [one for one in known if one.symbol == symbol and _overlap(one, days)]
    held.sort(key=lambda one: one.first)
    if not follow:
        return _whoever(held, symbol, days)
    if not held:
        return iter([Part(symbol, Span(symbol, days.start, days.end), None)])
    return _of_security(known, _meant(held, symbol, days), days, symbol)


def _meant(held: Sequence[Holding], symbol: str, days: Range) -> int:
    """The security that `symbol` means."""
    securities = {one.security_id for one in held}
    on_end = [one.security_id for one in held if one.until is None or one.until > days.end]
    if len(securities) > 1 and not (days.is_end_given and on_end):
        newest_first = {f"{one.security_key} ({one.security_id})": None for one in reversed(held)}
        named = ", ".join(newest_first)
        raise AmbiguousSymbol(
            f"{symbol} means {len(securities)} securities in {days.start}..{days.end}: {named}. "
            "Give an id, or end="
        )
    return on_end[0] if on_end else held[0].security_id


def _of_security(
    known: Sequence[Holding], security_id: int, days: Range, label: str
) -> Iterator[Part]:
    for one in _borne(known, security_id, days):
        first, last = _clipped(one, days)
        yield Part(label, Span(one.symbol, first, last), security_id)


def _borne(known: Sequence[Holding], security_id: int, days: Range) -> list[Holding]:
    return [one for one in known if one.security_id == security_id and _overlap(one, days)]


def _whoever(held: Sequence[Holding], symbol: str, days: Range) -> Iterator[Part]:
    """The symbol's own bars, with the security that bore it at the time, if any did."""
    start = days.start
    for one in held:
        first, last = _clipped(one, days)
        if start < first:
            yield Part(symbol, Span(symbol, start, first - _DAY), None)
        yield Part(symbol, Span(symbol, first, last), one.security_id)
        start = last + _DAY
    if start <= days.end:
        yield Part(symbol, Span(symbol, start, days.end), None)


def _clipped(one: Holding, days: Range) -> tuple[date, date]:
    last = days.end if one.until is None else min(one.until - _DAY, days.end)
    return max(one.first, days.start), last


def _overlap(one: Holding, days: Range) -> bool:
    return one.first <= days.end and (one.until is None or one.until > days.start)
