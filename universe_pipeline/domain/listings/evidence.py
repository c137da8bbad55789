"""What lists say of a symbol, and whether two statements are about one security."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache


class Source(StrEnum):
    """Where a row of `listing_evidence` came from."""

    DISCOVERY = "discovery"
    """The list of active tickers, as it was asked for on `first_on` to `last_on`."""
    DELISTED_LIST = "delisted_list"
    """The list of delisted tickers; both days are that of the delisting."""
    DATED_LIST = "dated_list"
    """Lists of the tickers that were active on a past day."""


class Basis(StrEnum):
    """`listings.evidence`: what ties a listing to its security."""

    FIGI = "figi"
    CIK = "cik"
    EVENT = "event"
    BARS = "bars"
    """The day on which it begins was found by a break in prices."""
    LIST = "list"
    """A list names it, without an identifier."""
    OWNER = "owner"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A row of `listing_evidence`."""

    symbol: str
    first_on: date
    last_on: date
    source: str
    name: str | None = None
    type: str | None = None
    primary_exchange: str | None = None
    cik: str | None = None
    composite_figi: str | None = None
    share_class_figi: str | None = None
    doubtful: bool = False


FUNDS = frozenset({"ETF", "ETN", "ETS", "ETV", "FUND"})
STOCKS = frozenset({"CS", "ADRC", "OS", "NYRS", "GDR"})

_FORMS = re.compile(
    r"\b(?:class [a-z]\b|cl [a-z]\b|com(?:mon)?\b|stocks?\b|stk\b|shares?\b|shs\b|ordinary\b|the\b"
    r"|inc(?:orporated)?\b|corp(?:oration)?\b|co(?:mpany)?\b|l ?td\b|limited\b|plc\b|new\b|de\b)"
)


@lru_cache(maxsize=100_000)
def plain(name: str) -> str:
    """A name without case and punctuation."""
    return " ".join(re.sub(r"[^\w]+", " ", name.casefold()).split())


@lru_cache(maxsize=100_000)
def company(name: str) -> str:
    """What remains of a name without the words for legal forms and kinds of shares."""
    return " ".join(_FORMS.sub(" ", plain(name)).split())


class Relation(StrEnum):
    """What two statements say of each other."""

    ONE = "one"
    TWO = "two"
    UNKNOWN = "unknown"


def differ(left: str | None, right: str | None) -> bool:
    """Whether both are known and differ."""
    return left is not None and right is not None and left != right


def agree(left: str | None, right: str | None) -> bool:
    """Whether both are known and are the same."""
    return left is not None and left == right


def same_figi(left: Evidence, right: Evidence) -> bool:
    """Whether a FIGI agrees and none differs."""
    if differ(left.share_class_figi, right.share_class_figi):
        return False
    if differ(left.composite_figi, right.composite_figi):
        return False
    return agree(left.share_class_figi, right.share_class_figi) or agree(
        left.composite_figi, right.composite_figi
    )


def other_company(left: Evidence, right: Evidence) -> bool:
    """Whether the names are those of different companies."""
    if not left.name or not right.name:
        return False
    return company(left.name) != company(right.name)


def other_kind(left: Evidence, right: Evidence) -> bool:
    """Whether one is a fund and the other one a stock."""
    kinds = {left.type, right.type}
    return bool(kinds & FUNDS) and bool(kinds & STOCKS)


def other_figi(left: Evidence, right: Evidence) -> bool:
    """Whether the FIGIs say that these are two securities."""
    if agree(left.composite_figi, right.composite_figi):
        return False  # a composite FIGI has one share class: one of the four is wrong
    if differ(left.share_class_figi, right.share_class_figi):
        return True
    return differ(left.composite_figi, right.composite_figi) and (
        differ(left.cik, right.cik) or other_company(left, right)
    )


def relation(left: Evidence, right: Evidence, *, unbroken: bool) -> Relation:
    """Whether two statements about one symbol, at different times, are about one security.

    Args:
        left: of the earlier time.
        right: of the later one.
        unbroken: no loaded session without a bar lies between the two times.
    """
    if other_figi(left, right):
        return Relation.TWO
    if same_figi(left, right):
        return Relation.UNKNOWN if other_kind(left, right) else Relation.ONE
    if other_kind(left, right) or (differ(left.cik, right.cik) and other_company(left, right)):
        return Relation.TWO
    has_same_issuer = agree(left.cik, right.cik) and agree(left.type, right.type)
    is_contradicted = differ(left.composite_figi, right.composite_figi)
    if has_same_issuer and unbroken and not is_contradicted:
        return Relation.ONE
    return Relation.UNKNOWN


def same_statement(left: Evidence, right: Evidence) -> bool:
    """Whether two statements about one unbroken time support each other."""
    return same_figi(left, right) or (
        agree(left.cik, right.cik) and not differ(left.composite_figi, right.composite_figi)
    )


def contradicts(left: Evidence, right: Evidence) -> bool:
    """Whether two statements about one unbroken time name different identifiers."""
    return not same_statement(left, right) and (
        differ(left.cik, right.cik)
        or differ(left.composite_figi, right.composite_figi)
        or differ(left.share_class_figi, right.share_class_figi)
    )


def trusted(witnesses: Sequence[Evidence]) -> list[Evidence]:
    """The witnesses of an unbroken time, in order, without those that their neighbours refute.

    A day's list with several rows of a symbol counts where the list before or after it agrees; one
    statement between two that agree with each other, and not with it, is the vendor's error.
    """
    sure = [
        each
        for place, each in enumerate(witnesses)
        if not each.doubtful or _is_supported(each, place, witnesses)
    ]
    kept: list[Evidence] = []
    for place, each in enumerate(sure):
        after = sure[place + 1] if place + 1 < len(sure) else None
        if kept and after and _is_outlier(kept[-1], each, after):
            continue
        kept.append(each)
    return kept


def _is_supported(doubtful: Evidence, place: int, witnesses: Sequence[Evidence]) -> bool:
    neighbours = (*witnesses[max(place - 1, 0) : place], *witnesses[place + 1 : place + 2])
    return any(not each.doubtful and same_statement(each, doubtful) for each in neighbours)


def _is_outlier(before: Evidence, each: Evidence, after: Evidence) -> bool:
    return same_statement(before, after) and contradicts(before, each) and contradicts(each, after)
