"""Cash dividends: which rows of the vendor can be used, and which of them are the same.

Several dividends of one symbol and ex-date are normal (a regular and a special one), and a share
pays all of them. Rows that agree in amount, currency and type are one dividend that the vendor
lists twice. The vendor's ids say nothing: they change from one answer to the next.
"""

from dataclasses import replace
from typing import Any

import polars as pl

from universe_pipeline.domain.bars import RejectedRow
from universe_pipeline.domain.blanks import value
from universe_pipeline.domain.quality import DUPLICATE, ROW_RULES, RowRule, Validated
from universe_pipeline.domain.reference_lists import ReferenceList
from universe_pipeline.domain.tables import Role, frame_schema
from universe_pipeline.domain.windows import Window

DIVIDEND_SCHEMA = frame_schema("dividends", Role.KEY, Role.VALUE)
"""Dividends, announced ones included: `dividends` up to `pay_date`."""

SENT_SCHEMA = pl.Schema({name: type_ for name, type_ in DIVIDEND_SCHEMA.items() if name != "n"})
"""The vendor's rows, which have no number yet."""

DIVIDEND_LIST = ReferenceList(
    "dividends",
    DIVIDEND_SCHEMA,
    key=("symbol", "ex_date", "n"),
    order=("ex_date", "symbol", "n"),
    windowed_by="ex_date",
    fewest=50,
)

OUTSIDE_WINDOW = "outside_window"

_VENDOR_NAMES = {"symbol": "ticker", "ex_date": "ex_dividend_date"}
_MOST_CASH = 1e6

DIVIDEND_RULES = (
    next(rule for rule in ROW_RULES if rule.name == "symbol_form"),
    RowRule(
        "cash_positive",
        "the amount is there, above zero and below a million",
        ~pl.col("cash_amount").is_between(0, _MOST_CASH, closed="none").fill_null(value=False),
    ),
    RowRule(
        "currency_form",
        "the currency is three letters, or absent",
        ~pl.col("currency").str.contains("^[A-Z]{3}$"),
    ),
)
"""Tried in this order; a row is rejected under the first one that it breaks.

`undecodable`, `outside_window` and `duplicate` complete the closed list of values of
`rejected_dividends.rule`.
"""

_DAY = ("symbol", "ex_date")
_SAME = (*_DAY, "cash_amount", "currency", "distribution_type")


def validate(sent: pl.DataFrame, window: Window) -> Validated:
    """Separate the rows that can be stored from those that break a rule, and number the former.

    Of rows that agree in symbol, day, amount, currency and type one is accepted (the first by the
    other columns) and the others are rejected as `duplicate`. Numbers follow amount, currency and
    type. So neither depends on the order of the rows.

    Args:
        sent: `SENT_SCHEMA`, all pages of an answer.
        window: the ex-dates that were asked for.

    Returns:
        Accepted rows as `DIVIDEND_SCHEMA`, by symbol, day and number.
    """
    named = sent.with_row_index("_order").with_columns(value("currency").str.to_uppercase())
    judged = named.with_columns(_rule=pl.coalesce(_outside(window), _first_broken_rule()))
    usable = judged.filter(pl.col("_rule").is_null()).sort(*SENT_SCHEMA, "_order", nulls_last=True)
    kept = usable.unique(_SAME, keep="first", maintain_order=True)
    repeated = usable.join(kept, on="_order", how="anti").with_columns(_rule=pl.lit(DUPLICATE))
    rejected = pl.concat([judged.filter(pl.col("_rule").is_not_null()), repeated]).sort("_order")
    number = pl.int_range(1, pl.len() + 1).over(*_DAY).cast(DIVIDEND_SCHEMA["n"])
    return Validated(
        accepted=kept.with_columns(n=number).select(DIVIDEND_SCHEMA.names()),
        rejected=tuple(_rejected(row, window) for row in rejected.iter_rows(named=True)),
    )


def _outside(window: Window) -> pl.Expr:
    day = pl.col("ex_date")
    is_outside = (day < window.first) | (day > window.last if window.last else pl.lit(value=False))
    return pl.when(is_outside).then(pl.lit(OUTSIDE_WINDOW))


def _first_broken_rule() -> pl.Expr:
    return pl.coalesce(pl.when(rule.broken).then(pl.lit(rule.name)) for rule in DIVIDEND_RULES)


def _rejected(row: dict[str, Any], window: Window) -> RejectedRow:
    found = RejectedRow(row["_rule"], row["symbol"], _as_sent(row), row["ex_date"])
    return found if row["ex_date"] in window else replace(found, day=None)


def _as_sent(row: dict[str, Any]) -> dict[str, Any]:
    """The row under the vendor's names, without what it left out; days as text."""
    dates = (name for name, type_ in SENT_SCHEMA.items() if type_ == pl.Date)
    named = row | {name: row[name] and row[name].isoformat() for name in dates}
    return {
        _VENDOR_NAMES.get(name, name): named[name]
        for name in SENT_SCHEMA
        if named[name] is not None
    }
