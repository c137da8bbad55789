"""Which of the vendor's texts stand for a missing value."""

import polars as pl

_NOTHING = ("", "-", "null", "none", "nil", "nan", "n/a", "undefined", "unknown")
"""In lower case: what an empty CSV cell or a missing value becomes when a program prints it."""


def value(column: str) -> pl.Expr:
    """The text of `column` without the white space around it; null where the value is missing."""
    text = pl.col(column).str.strip_chars()
    return pl.when(~text.str.to_lowercase().is_in(_NOTHING)).then(text).alias(column)
