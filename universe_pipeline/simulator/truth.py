"""What is true in a world, for tests to compare with: identities, splits and dividends.

The lists of the vendor err in `Case`s that are planted on request (`planted`). A row here says what
the list says, and what is right instead.
"""

from datetime import date
from enum import StrEnum

import msgspec


class Case(StrEnum):
    """What is planted, and how the lists err."""

    # Identities
    RENAMED_WITH_FIGI = "renamed_with_figi"
    """Ticker events date the change two days late, and twice."""
    RENAMED_WITH_CIK = "renamed_with_cik"
    """The row has no FIGI."""
    SPAC_MERGED = "spac_merged"
    """Another company begins on the next session, and no identifier links the two."""
    REUSED_AFTER_GAP = "reused_after_gap"
    """More than 20 sessions later another company takes the ticker."""
    FUND_BEFORE_STOCK = "fund_before_stock"
    """A fund leaves for another ticker, and 12 sessions later a stock takes the old one."""
    COMPANY_CHANGED = "company_changed"
    """From one session to the next the ticker is another company's."""
    FLICKERS = "flickers"
    """Dated lists lack it on some days on which it trades."""
    GHOST = "ghost"
    """The list of one day has it, and it never trades."""
    TWO_ROWS = "two_rows"
    """Dated lists have a row of the later holder, too, which is the newer one."""
    FOREIGN_IDENTIFIERS = "foreign_identifiers"
    """Its row has the CIK and the FIGI of another company, which trades."""
    WHEN_ISSUED = "when_issued"
    """A line `…w` trades before the regular one, with the same identifiers and prices."""
    HALTED = "halted"
    """13 sessions without a bar."""
    DELISTED = "delisted"
    """The list of delisted tickers has it."""
    FORGOTTEN = "forgotten"
    """It ends, and neither list has it."""

    # Splits
    SPLIT_LATE = "split_late"
    """Listed five sessions late."""
    SPLIT_TWICE = "split_twice"
    """Listed under two dates; the later is right."""
    SPLIT_TWO_RATIOS = "split_two_ratios"
    """Listed twice on one date, with two ratios."""
    SPLIT_MISSING = "split_missing"
    SPLIT_CANCELLED = "split_cancelled"
    """Announced, and gone from the list on the day before its date."""
    SPLIT_ANNOUNCED = "split_announced"
    """Ten sessions after the planted day."""
    SPIN_OFF = "spin_off"
    """Listed as a split of an odd ratio, with an id that begins with `P`."""
    SPLIT_UNDER_LATER_TICKER = "split_under_later_ticker"

    # Dividends
    DIVIDEND_USUAL = "dividend_usual"
    DIVIDEND_TWICE = "dividend_twice"
    """The same row under two ids: it counts once."""
    DIVIDENDS_ADD_UP = "dividends_add_up"
    """Two that differ on one day."""
    DIVIDEND_CANCELLED = "dividend_cancelled"
    """Announced, and gone from the list two sessions before its date."""
    DIVIDEND_MOVED = "dividend_moved"
    """Announced for a day, and listed for a later one since two sessions before it."""
    DIVIDEND_HUNDREDFOLD = "dividend_hundredfold"
    DIVIDEND_ABOVE_PRICE = "dividend_above_price"
    DIVIDEND_IN_EUR = "dividend_in_eur"
    DIVIDEND_ON_SPLIT_DAY = "dividend_on_split_day"
    """The cash is a new share's."""
    DIVIDEND_SPLIT_ADJUSTED = "dividend_split_adjusted"
    """The deprecated list gives a fourth of the cash, because of a split afterwards."""
    DIVIDEND_ANNOUNCED = "dividend_announced"
    """Eight sessions after the planted day."""


class TrueListing(msgspec.Struct, frozen=True, kw_only=True):
    """A security under one symbol."""

    symbol: str
    security: str
    """The same for all listings of a security, and for no other."""
    name: str
    first: date
    """The first day on which it may have bars."""
    end: date | None
    """The day after the last one; None: still listed."""
    case: Case | None


class TrueSplit(msgspec.Struct, frozen=True, kw_only=True):
    """A planted row of the list of splits, or one that it lacks."""

    case: Case
    symbol: str
    execution_date: date
    split_from: float
    split_to: float
    """These four as listed."""
    is_listed: bool = True
    """False: the list never has it, and the numbers are the true ones."""
    listed_until: date | None = None
    """The first day without the row again."""
    verdict: str | None
    """What is right to say of it on the planted day; None: not listed, or rejected because another
    row contradicts it."""
    applied_on: date | None
    """From the open of which session on prices are truly of such new shares; None: never."""


class TrueDividend(msgspec.Struct, frozen=True, kw_only=True):
    """A planted row of the list of dividends."""

    case: Case
    symbol: str
    ex_date: date
    cash_amount: float
    currency: str = "USD"
    """These four as listed."""
    listed_from: date | None = None
    """None: as usual."""
    listed_until: date | None = None
    """The first day without the row again."""
    paid: float
    """By how many USD a share the open of `ex_date` is lower; 0: the row is wrong or a double."""
    verdict: str | None
    """What is right to say of it on the planted day; None: rejected as a double."""


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """A world's true answers."""

    listings: tuple[TrueListing, ...]
    """Of all tickers with bars, by symbol and first day."""
    splits: tuple[TrueSplit, ...]
    dividends: tuple[TrueDividend, ...]
    """Of the planted cases; the lists are right about all others."""

    def security(self, symbol: str, day: date) -> str | None:
        """The security that bore `symbol` on `day`."""
        return next(
            (
                each.security
                for each in self.listings
                if each.symbol == symbol and each.first <= day < (each.end or date.max)
            ),
            None,
        )
