"""What a request is about: the closed list of `data_fetch_errors.dataset`."""

from enum import StrEnum


class Dataset(StrEnum):
    """The data that a request asks for."""

    DAILY_BARS = "daily_bars"
    """The grouped bars of a session."""
    SYMBOL_BARS = "symbol_bars"
    """The bars of one symbol over a range."""
    SYMBOLS = "symbols"
    """The lists of active and of delisted tickers."""
    SPLITS = "splits"
    """The list of splits, from whichever endpoint answers."""
    DIVIDENDS = "dividends"
    """Cash dividends of a window of ex-dates."""


WHOLE_LISTS = (Dataset.SYMBOLS.value, Dataset.SPLITS.value, Dataset.DIVIDENDS.value)
"""What is asked for once a day, whole or by windows, and swapped so: also the names of assets and
tables."""

NEEDED_BY_LOADS = (Dataset.DAILY_BARS, Dataset.SYMBOL_BARS, Dataset.SYMBOLS)
"""Without these nothing can be loaded; a plan may lack the others."""
