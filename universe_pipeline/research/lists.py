"""Reference lists, coverage and listings as frames."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.reference import holdings
from universe_pipeline.adapters.postgres.reference.table_frames import frame
from universe_pipeline.domain.errors import NotLoaded, UnknownSymbol
from universe_pipeline.domain.tables import Role, names
from universe_pipeline.domain.verdicts import UNAPPLIED


def whole(connection: Connection, table: str) -> pl.DataFrame:
    """Every column of a table."""
    return frame(connection, table, names(table))


def values(connection: Connection, table: str) -> pl.DataFrame:
    """What a table says, without when it came in."""
    return frame(connection, table, names(table, Role.KEY, Role.VALUE))


def listings(connection: Connection, symbol: str | None) -> pl.DataFrame:
    """Every listing, or those of the securities that ever bore a symbol.

    Raises:
        UnknownSymbol: no list and no bar has it.
    """
    columns = names("listings", Role.KEY, Role.VALUE)
    if symbol is None:
        return frame(connection, "listings", columns)
    if holdings.unknown_symbols(connection, [symbol]):
        raise UnknownSymbol(f"{symbol} is in no reference list and has no bar")
    return frame(connection, "listings", columns, holdings.OF_SYMBOL, symbol=symbol)


_GAPS = """(
    SELECT * FROM action_verdicts
    WHERE verdict = ANY (%(verdicts)s) AND applied_on IS NULL
      AND (%(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s)
           OR security_id = ANY (%(ids)s)
           OR security_id IN (SELECT security_id FROM listings WHERE symbol = ANY (%(symbols)s)))
    ) AS gaps"""


def gaps(connection: Connection, symbols: Sequence[str | int] | None) -> pl.DataFrame:
    """The past actions that are not applied, of all or of some symbols and security ids."""
    columns = ("kind", "symbol", "action_date", "security_id", "verdict")
    given = {
        "verdicts": list(UNAPPLIED),
        "symbols": None if symbols is None else [each for each in symbols if isinstance(each, str)],
        "ids": [each for each in symbols or () if isinstance(each, int)],
    }
    return frame(connection, "action_verdicts", columns, _GAPS, **given)


def universe_on(connection: Connection, day: date, types: Sequence[str] | None) -> pl.DataFrame:
    """The listings that were valid on a day.

    Raises:
        NotLoaded: there are none at all.
    """
    if not holdings.any_listing(connection):
        raise NotLoaded("no listings stored: run `universe discover`")
    if types is not None:
        holdings.choose_types(connection, types)
    columns = [name for name in names("listings") if name not in ("end_reason", "believed_from")]
    return frame(connection, "listings", columns, "universe_on(%(day)s)", day=day)
