"""The rules about securities and listings."""

from collections.abc import Iterator
from math import log

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.identity.offenders import (
    KnownBars,
    known_bars,
    overlapping,
    renames,
    shared_figis,
    unlisted,
)
from universe_pipeline.domain.quality.findings import Finding, Violation, listed
from universe_pipeline.domain.quality.rules import (
    BARS_LISTED,
    IDENTIFIER_SINGLE,
    IDENTITY_KNOWN,
    LISTINGS_APART,
    RENAMES_CONTINUOUS,
)

MOST_UNKNOWN = 0.03
"""Fraction of the bars of the universe's types that may have an unknown listing."""

_ENOUGH_SESSIONS = 20
"""Of fewer loaded sessions, which may be long past, a list of today says nothing."""

_JUMP = log(1.5)
"""So far, in logarithms, a price moves without an action only by news, or of another security."""


def judge_identities(connection: Connection) -> list[Finding]:
    """Judge the listings, by themselves and by the days on which their symbols have bars."""
    return [
        listed(BARS_LISTED, _unlisted(connection)),
        listed(IDENTITY_KNOWN, _unknown(known_bars(connection))),
        listed(IDENTIFIER_SINGLE, _shared(connection)),
        listed(RENAMES_CONTINUOUS, _jumping(connection)),
        listed(LISTINGS_APART, _overlapping(connection)),
    ]


def _unlisted(connection: Connection) -> Iterator[Violation]:
    for each in unlisted(connection):
        detail = f"{each.bars:,} bars until {each.last} without a listing"
        yield Violation(each.first, each.symbol, detail, each.bars)


def _unknown(found: KnownBars) -> Iterator[Violation]:
    if found.sessions >= _ENOUGH_SESSIONS and found.unknown > MOST_UNKNOWN * found.bars:
        fraction, symbols = found.unknown / found.bars, ", ".join(found.most_unknown or ())
        detail = f"{found.unknown:,} of {found.bars:,} bars ({fraction:.1%}), most of {symbols}"
        yield Violation(None, None, detail)


def _shared(connection: Connection) -> Iterator[Violation]:
    for symbol, day, figi, other in shared_figis(connection):
        yield Violation(day, symbol, f"{figi}, which {other} bears too")


def _jumping(connection: Connection) -> Iterator[Violation]:
    for each in renames(connection):
        size = abs(log(each.move))
        if size > _JUMP:
            detail = f"opens at {each.move:.3g} of the last close of {each.earlier}"
            yield Violation(each.day, each.symbol, detail, size)


def _overlapping(connection: Connection) -> Iterator[Violation]:
    for symbol, day, security in overlapping(connection):
        yield Violation(day, symbol, f"of security {security}, while an earlier listing holds")
