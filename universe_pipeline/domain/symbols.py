"""Securities of the reference lists: their shape, which row speaks for a symbol, what stays known.

Absence changes nothing. A field that a row lacks keeps its known value; a symbol whose row
cannot be used stays as it is; and lists that lack many of the stored symbols are short
(`completeness`): they retire no symbol until they are believed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from universe_pipeline.domain.blanks import value
from universe_pipeline.domain.completeness import Shortage, ShortAnswer, is_short, loses_page
from universe_pipeline.domain.quality import UNDECODABLE
from universe_pipeline.domain.reference_lists import ReferenceList
from universe_pipeline.domain.tables import Role, frame_schema

SYMBOL_SCHEMA = frame_schema("symbols", Role.KEY, Role.VALUE)
"""A reference list: `symbols` up to `last_updated_utc`. `type` is an open set."""

SYMBOL_LIST = ReferenceList("symbols", SYMBOL_SCHEMA, key=("symbol",), order=("symbol",))
"""Both reference lists of tickers, as they are stored."""

KNOWN_SCHEMA = pl.Schema({**SYMBOL_SCHEMA, "listed": pl.Boolean()})
"""The stored symbols; `listed`: whether the newest discovery listed it."""

OPTIONAL = tuple(name for name in SYMBOL_SCHEMA if name not in ("symbol", "active"))
"""Columns that a row may lack without saying anything by it."""

_TEXTS = tuple(name for name in OPTIONAL if SYMBOL_SCHEMA[name] == pl.String())
_COMPANY = ("cik", "composite_figi")

_LATE = timedelta(days=30)
"""So long after it was delisted a symbol may still have stood in the list of active ones."""

_FEW_UNUSABLE = 10
"""So many unusable rows cost themselves alone, however short the list is."""
"""Rows of one symbol that differ in one of these are about different companies."""

NO_TICKER = "no_ticker"
OTHER_LIST = "other_list"

TICKER_RULES = {
    NO_TICKER: "it has a ticker",
    UNDECODABLE: "its values have the documented types",
    OTHER_LIST: "it is not active in the list of delisted tickers, or the other way round",
}
"""The closed list of values of `rejected_symbols.rule`, and what holds where each is kept."""


@dataclass(frozen=True, slots=True)
class RejectedTicker:
    """A row of a reference list that cannot be used."""

    active: bool
    """Whether it stood in the list of active tickers."""
    rule: str
    """One of `TICKER_RULES`."""
    symbol: str | None
    payload: dict[str, Any]
    """The vendor's row as it came."""


@dataclass(frozen=True, slots=True)
class TickerList:
    """One reference list, all pages."""

    active: bool
    """Whether it is the list of active tickers."""
    rows: pl.DataFrame
    """`SYMBOL_SCHEMA`: the usable rows, in the vendor's order."""
    rejected: Sequence[RejectedTicker] = ()

    @property
    def name(self) -> str:
        """The list in words."""
        return "active" if self.active else "delisted"

    @property
    def received(self) -> int:
        """Rows that came, usable or not."""
        return self.rows.height + len(self.rejected)


@dataclass(frozen=True, slots=True)
class Universe:
    """Both reference lists after duplicates are resolved: one row a symbol."""

    symbols: pl.DataFrame
    """`SYMBOL_SCHEMA`, sorted by symbol, unique."""
    superseded: pl.DataFrame
    """`SYMBOL_SCHEMA`: the rows that another row of the same symbol speaks for."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a discovery stores."""

    symbols: pl.DataFrame
    """`SYMBOL_SCHEMA`, sorted by symbol, unique; with what the lists lack and is known."""
    absent: Mapping[str, Sequence[str]]
    """By column the symbols whose known value the lists no longer hold, active ones first."""


def resolve(listed: pl.DataFrame) -> Universe:
    """Choose the row that speaks for each symbol of `listed` (both lists, concatenated).

    An active row wins over a delisted one, then the newest `last_updated_utc`, then a row
    with a type, then the first row. The vendor does list symbols twice: THC with
    two CIKs in 2024, UST with and without one in 2025.
    """
    ranked = (
        listed.with_columns(value(name) for name in _TEXTS)
        .with_columns(pl.col("name").fill_null(""))
        .with_row_index("_order")
        .sort(
            "symbol",
            pl.col("active").fill_null(value=False),
            "last_updated_utc",
            pl.col("type").is_not_null(),
            "_order",
            descending=[False, True, True, True, False],
            nulls_last=True,
        )
    )
    speaks = ranked["symbol"].is_first_distinct()
    columns = list(SYMBOL_SCHEMA)
    return Universe(
        symbols=ranked.filter(speaks).select(columns),
        superseded=ranked.filter(~speaks).select(columns),
    )


def merge(found: Universe, known: pl.DataFrame) -> Merged:
    """Give each symbol the values that its row lacks: the known ones, else those of its other rows.

    Args:
        found: what the lists say.
        known: `SYMBOL_SCHEMA`, what is stored.
    """
    joined = (
        _marked(found.symbols)
        .join(_renamed(_marked(known), "known"), on="symbol", how="left")
        .join(_renamed(_others(found), "other"), on="symbol", how="left")
    )
    # A known date belongs to a delisting: it says nothing about a symbol that is active again.
    is_delisted = ~pl.col("active")
    was_delisted = ~pl.col("active_known").fill_null(value=True)
    joined = joined.with_columns(
        pl.when(is_delisted).then("delisted_date"),
        pl.when(is_delisted & was_delisted).then("delisted_date_known"),
        pl.when(is_delisted).then("delisted_date_other"),
    )
    return Merged(
        symbols=joined.select(
            "symbol", "active", *(pl.coalesce(c, f"{c}_known", f"{c}_other") for c in OPTIONAL)
        )
        .with_columns(pl.col("name").fill_null(""))
        .select(list(SYMBOL_SCHEMA)),
        absent={column: lost for column in OPTIONAL if (lost := _lost(joined, column))},
    )


def _marked(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with null for an empty name."""
    return rows.with_columns(value("name")).select(list(SYMBOL_SCHEMA))


def _renamed(rows: pl.DataFrame, suffix: str) -> pl.DataFrame:
    return rows.rename({name: f"{name}_{suffix}" for name in rows.columns if name != "symbol"})


def _others(found: Universe) -> pl.DataFrame:
    """For each symbol what its superseded rows of the same company know, one row a symbol."""
    speaking = _renamed(found.symbols.select("symbol", *_COMPANY), "speaks")
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_speaks") for name in _COMPANY)
    rows = _marked(found.superseded).join(speaking, on="symbol", how="left")
    return (
        rows.filter(~differs.fill_null(value=False))
        .group_by("symbol", maintain_order=True)
        .agg(pl.col(name).drop_nulls().first() for name in OPTIONAL)
    )


def _lost(joined: pl.DataFrame, column: str) -> list[str]:
    is_lost = (
        pl.col(column).is_null()
        & pl.col(f"{column}_other").is_null()
        & pl.col(f"{column}_known").is_not_null()
    )
    lost = joined.filter(is_lost).sort("active", descending=True, maintain_order=True)
    return lost["symbol"].to_list()


def unsure(lists: Sequence[TickerList], known: pl.DataFrame) -> set[str]:
    """The known symbols that must stay as they are, because a row about them cannot be used.

    A row without a ticker is about the symbol whose name or FIGI it has, where the lists lack that
    symbol. A usable row of the same symbol speaks for it, unless the unusable one says that it is
    active and the usable one that it is delisted.
    """
    rejected = [row for each in lists for row in each.rejected]
    usable = {symbol for each in lists for symbol in each.rows["symbol"]}
    active = {symbol for each in lists for symbol in each.rows.filter("active")["symbol"]}
    named = {row.symbol for row in rejected} - usable
    named |= {row.symbol for row in rejected if row.active and row.rule != OTHER_LIST} - active
    there: set[str] = set(known["symbol"])
    return {symbol for symbol in there if symbol in named} | _nameless(rejected, known, usable)


def _nameless(
    rejected: Sequence[RejectedTicker], known: pl.DataFrame, usable: Collection[str]
) -> set[str]:
    payloads = [row.payload for row in rejected if row.symbol is None]
    if not payloads:
        return set()
    absent = known.filter(~pl.col("symbol").is_in(list(usable)))
    is_named = [
        pl.col(column).is_in([text for one in payloads if isinstance(text := one.get(column), str)])
        for column in ("name", "composite_figi", "share_class_figi")
    ]
    return set(absent.filter(pl.any_horizontal(is_named))["symbol"])


def shortage(
    lists: Sequence[TickerList],
    found: Universe,
    known: pl.DataFrame,
    day: date,
    since: date | None = None,
) -> Shortage | None:
    """What makes the lists too small to replace what is stored; None if they are whole.

    At least 90 % of the stored active symbols must stand in either list, and as many of the
    delisted ones that were listed before; and at least 90 % of each list's rows must be usable. In
    the list of delisted ones an active symbol counts with a date since it was last active: two
    lists that were swapped have none, or older ones.

    Args:
        lists: both, with what cannot be used.
        found: their usable rows.
        known: `KNOWN_SCHEMA`.
        day: day of the request in New York.
        since: day of the newest lists that are stored.
    """
    earliest = date.min if since is None else since - _LATE
    is_delisted_since = (pl.col("delisted_date") >= earliest).fill_null(value=False)
    dated = found.symbols.filter(pl.col("active") | is_delisted_since)["symbol"]
    parts = [
        _Part("active", known.filter("active")["symbol"], dated),
        _Part(
            "delisted", known.filter(~pl.col("active"), "listed")["symbol"], found.symbols["symbol"]
        ),
    ]
    reasons = [*_too_few(parts), *_unusable(lists)]
    if not reasons:
        return None
    missing = {symbol for part in parts for symbol in part.missing}
    missing |= {row.symbol for each in lists for row in each.rejected if row.symbol is not None}
    answer = ShortAnswer(
        rows=found.symbols.height,
        expected=sum(len(part.expected) for part in parts),
        missing=frozenset(missing),
        day=day,
    )
    return Shortage(answer, tuple(reasons))


class _Part:
    """The stored symbols of one list, and which of them the answer lacks."""

    def __init__(self, name: str, expected: pl.Series, there: pl.Series) -> None:
        self.name = name
        self.expected = expected.sort()
        self.is_missing = ~self.expected.is_in(there.implode())
        self.missing: list[str] = self.expected.filter(self.is_missing).to_list()

    @property
    def is_short(self) -> bool:
        """Whether too many are missing, or a whole page is."""
        there = len(self.expected) - len(self.missing)
        return is_short(there, len(self.expected)) or loses_page(self.is_missing)


def _too_few(parts: Sequence[_Part]) -> Iterator[str]:
    for part in parts:
        if part.is_short:
            yield (
                f"the lists lack {len(part.missing):,} of {len(part.expected):,} stored "
                f"{part.name} symbols ({examples(part.missing)})"
            )


def _unusable(lists: Sequence[TickerList]) -> Iterator[str]:
    for each in lists:
        if len(each.rejected) > _FEW_UNUSABLE and is_short(each.rows.height, each.received):
            rules = ", ".join(sorted({row.rule for row in each.rejected}))
            yield (
                f"{len(each.rejected):,} of {each.received:,} rows of the list of {each.name} "
                f"tickers cannot be used ({rules})"
            )


def examples(symbols: Sequence[str], most: int = 3) -> str:
    """The first of `symbols`, in a line."""
    return ", ".join(symbols[:most]) + (" …" if len(symbols) > most else "")
