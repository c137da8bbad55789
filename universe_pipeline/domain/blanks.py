"""Which of the vendor's texts are no value: what is written where a value is not known."""

import polars as pl

_NOTHING = ("", "-", "null", "none", "nil", "nan", "n/a", "undefined", "unknown")
"""Lower case. An empty CSV cell or a missing value, printed by a program on its way, reads so."""


def value(column: str) -> pl.Expr:
    """The text of `column` without the white space around it; null where it names no value."""
    text = pl.col(column).str.strip_chars()
    return pl.when(~text.str.to_lowercase().is_in(_NOTHING)).then(text).alias(column)
