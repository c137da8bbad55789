"""Bars as a reader asks for them: which days, which symbols, adjusted for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from universe_pipeline.adapters.postgres.bars.packed_reads import Days
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger import readable
from universe_pipeline.adapters.postgres.ledger.readable import Lacking
from universe_pipeline.adapters.postgres.packing import NO_SECURITY
from universe_pipeline.adapters.postgres.reference import steps as stored_steps
from universe_pipeline.adapters.postgres.reference.holdings import holders
from universe_pipeline.adapters.postgres.reference.steps import NO_STEPS, Known
from universe_pipeline.adapters.postgres.reference.symbols import chosen_types
from universe_pipeline.domain.errors import NoDividends, NotLoaded
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import newest_closed, sessions_between
from universe_pipeline.research import histories, identity, sessions
from universe_pipeline.research.factors import Products, SessionFactors, products
from universe_pipeline.research.histories import Part
from universe_pipeline.research.holders import SessionHolders
from universe_pipeline.research.identity import Range
from universe_pipeline.research.sessions import Lookups
from universe_pipeline.research.shapes import Shape

Universe = bool | Sequence[str] | None
"""True: the types of the universe; codes: these; None or False: everything."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader asks for of any bars."""

    start: date | None = None
    """None: the first loaded session."""
    end: date | None = None
    """None: the last loaded session."""
    adjustment: str = "none"
    as_of: date | None = None
    """Later actions do not count, and later bars are left out; None: all that are applied."""
    may_lack: bool = False
    """Whether sessions among the days may be absent."""


def range_of(connection: Connection, asked: Asked) -> Range:
    """The closed sessions that are meant.

    Raises:
        NotLoaded: nothing is loaded that could be meant.
    """
    stored = readable.stored(connection)
    if stored.first is None or stored.last is None:
        raise NotLoaded("nothing is loaded: run `universe historical --start D`")
    start = asked.start or stored.first
    newest = stored.last if asked.end is None else min(asked.end, newest_closed(stored.now))
    if start > newest and not asked.may_lack:
        raise NotLoaded(f"the newest session that is loaded is {stored.last}, before {start}")
    end = newest if asked.as_of is None else min(newest, asked.as_of)
    return Range(start, end, is_end_given=bool(asked.end or asked.as_of))


def of_everything(
    connection: Connection, asked: Asked, shape: Shape, universe: Universe
) -> pl.DataFrame:
    """The bars of all symbols, or of a universe, by date and symbol."""
    days = _days(connection, asked, range_of(connection, asked))
    types = chosen_types(connection) if universe is True else universe or None
    lookups = Lookups(
        _holders(connection, days, types) if types or shape.needs_securities else None,
        is_chosen=types is not None,
        factors=SessionFactors(_products(connection, asked, days)) if shape.is_adjusted else None,
    )
    return sessions.read(connection, days, shape, lookups)


def _holders(connection: Connection, days: Days, types: Sequence[str] | None) -> SessionHolders:
    return SessionHolders(holders(connection, days.start, days.end), types)


def of_symbols(
    connection: Connection,
    asked: Asked,
    shape: Shape,
    symbols: Sequence[str | int],
    *,
    follow: bool,
) -> pl.DataFrame:
    """The bars of chosen symbols, by symbol and date."""
    whole = range_of(connection, asked)
    parts = identity.parts(connection, symbols, whole, follow=follow)
    days = _days(connection, asked, whole, parts)
    found = _products(connection, asked, days, parts) if shape.is_adjusted else None
    return histories.read(connection, days, shape, parts, found)


def wide(
    connection: Connection, asked: Asked, field: str, symbols: Sequence[str | int]
) -> pl.DataFrame:
    """One field of chosen symbols: a row a session, and a column a symbol."""
    whole = range_of(connection, asked)
    parts = identity.parts(connection, symbols, whole, follow=True)
    days = _days(connection, asked, whole, parts)
    found = _products(connection, asked, days, parts) if asked.adjustment != "none" else None
    index = [day for day in sessions_between(days.start, days.end) if day not in days.hidden]
    return histories.closes(connection, days, field, parts, index, found)


def _products(
    connection: Connection, asked: Asked, days: Days, parts: Sequence[Part] | None = None
) -> Products:
    """The steps of the securities of `parts`, or of all.

    Raises:
        NotLoaded: there are no listings, on which steps hang.
        NoDividends: total return is asked for, and those of these days are not all stored, or none
            was judged.
    """
    if asked.adjustment == "none":
        return products(NO_STEPS, date.max, with_dividends=False)
    known = stored_steps.known(connection)
    if not known.listings:
        raise NotLoaded("no listings stored: run `universe discover`")
    is_total = asked.adjustment == "total_return"
    if is_total and not known.has_dividends(days.start):
        raise NoDividends(f"{_what_is_stored(known)}: run `universe discover`")
    if is_total and not known.dividends_judged:
        raise NoDividends("no dividend judged yet: run `universe discover --force-refresh`")
    ids = None if parts is None else sorted({part.security_id or NO_SECURITY for part in parts})
    found = stored_steps.steps(connection, ids)
    return products(found, asked.as_of or date.max, with_dividends=is_total)


def _what_is_stored(known: Known) -> str:
    if known.dividends_since is None:
        return "no dividends stored"
    return f"the dividends before {known.dividends_since} are not all stored"


def _days(connection: Connection, asked: Asked, whole: Range, parts: Sequence[Part] = ()) -> Days:
    return Days(whole.start, whole.end, _hidden(connection, asked, whole, parts))


def _hidden(connection: Connection, asked: Asked, days: Range, parts: Sequence[Part]) -> list[date]:
    """The quarantined sessions of a range, of which all others are loaded.

    Raises:
        NotLoaded: sessions are not, and may not lack.
    """
    lacking = readable.lacking(connection, days.start, days.end)
    if lacking and parts:
        spans = [(part.span.symbol, part.span.first, part.span.last) for part in parts]
        alone = readable.loaded_alone(connection, spans, [one.day for one in lacking])
        lacking = [one for one in lacking if one.day not in alone]
    if lacking and not asked.may_lack:
        raise NotLoaded(_what_lacks(lacking, len(sessions_between(days.start, days.end))))
    return [one.day for one in lacking if one.status is SessionStatus.QUARANTINED]


def _what_lacks(lacking: Sequence[Lacking], among: int) -> str:
    first, last = lacking[0], lacking[-1]
    are = "is" if len(lacking) == 1 else "are"
    what_to_do = (
        f"universe approve {first.day} --reason TEXT"
        if first.status is SessionStatus.QUARANTINED
        else f"universe historical --start {first.day} --end {last.day}"
    )
    quarantined = ", quarantined" if first.status is SessionStatus.QUARANTINED else ""
    return (
        f"{len(lacking)} of {among} sessions {are} not loaded, the first is "
        f"{first.day}{quarantined}: {what_to_do}"
    )
