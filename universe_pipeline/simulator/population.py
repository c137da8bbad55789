"""The invented listings that fill a world up to its size.

How the numbers were chosen, as shares of the invented listings: 42 % were listed when the vendor's
bars begin (2003-09-10), 72 % had been listed by 2019, and 23.5 % end some time. Of 14,000 rows that
makes about 10,800 active and 3,200 delisted ones now. About 4 % of the listed ones have no bar on a
session, mostly of thinly traded types; with the tickers that the reference lists lack, a grouped
answer has about 6,000 rows in 2003, 8,400 in 2019 and 10,500 today.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import product

import msgspec
import numpy as np

from universe_pipeline.domain.sessions import FIRST_SESSION
from universe_pipeline.simulator.dividends import Dividend, Payer, drawn_payers, drawn_specials
from universe_pipeline.simulator.listings import STILL_LISTED, Fate, Listing
from universe_pipeline.simulator.noise import Floats, seeds, uniform
from universe_pipeline.simulator.splits import Split, drawn_splits

REUSED_IN_EVERY = 200
"""Of so many listings, one has a ticker that an ended one had before it."""

_END_OF_HISTORY = date(2026, 11, 20).toordinal()
_BIRTHS = (
    (0.0, FIRST_SESSION.toordinal()),
    (0.42, FIRST_SESSION.toordinal()),
    (0.72, date(2019, 2, 1).toordinal()),
    (1.0, _END_OF_HISTORY),
)
"""The share of listings that had begun by a day; straight lines between."""

_ENDING = 0.235
_SHORTEST_LIFE = 60
"""Days from the first to the earliest end."""

_Fractions = Sequence[tuple[str | None, float]]

_TYPES: _Fractions = (
    ("CS", 0.455),
    ("ETF", 0.300),
    ("PFD", 0.045),
    ("WARRANT", 0.045),
    ("ADRC", 0.036),
    ("FUND", 0.035),
    ("UNIT", 0.020),
    ("SP", 0.014),
    ("RIGHT", 0.008),
    ("ETV", 0.008),
    ("ETN", 0.007),
    ("ETS", 0.006),
    ("OS", 0.005),
    ("ADRP", 0.002),
    ("NYRS", 0.001),
    ("BOND", 0.001),
    (None, 0.012),
)
_STOCK_EXCHANGES: _Fractions = (("XNAS", 0.54), ("XNYS", 0.417), ("XASE", 0.04), (None, 0.003))
_FUND_EXCHANGES: _Fractions = (("ARCX", 0.6), ("BATS", 0.2), ("XNAS", 0.2))
_FUNDS = ("ETF", "ETV", "ETN", "ETS")

_HEADS = ("Alder", "Birch", "Cobalt", "Delta", "Ember", "Falcon", "Granite", "Harbor", "Indigo")
_BODIES = ("Bay", "Creek", "Field", "Gate", "Hill", "Lake", "Mesa", "Ridge", "River", "Stone")
_TRADES = ("Bancorp", "Biosciences", "Energy", "Foods", "Health", "Logistics", "Mining", "Robotics")
_COMPANIES = tuple(" ".join(words) for words in product(_HEADS, _BODIES, _TRADES))
_TAILS = {
    "CS": "Inc. Common Stock",
    "ETF": "Select ETF",
    "PFD": "Preferred Stock",
    "WARRANT": "Warrants",
    "UNIT": "Units",
    "RIGHT": "Rights",
    "ADRC": "American Depositary Shares",
    "ETN": "Exchange Traded Notes",
    "FUND": "Closed End Fund",
}

_CIK_KNOWN, _FUND_CIK_KNOWN = 0.93, 0.35
_FIGI_KNOWN, _SHARE_CLASS_FIGI_KNOWN = 0.57, 0.55
_ACTIVE_UNSTATED = 0.003
_NEVER_UPDATED, _UPDATED_WITH_NANOSECONDS = 0.02, 0.04

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIGI_LETTERS = "0123456789BCDFGHJKLMNPQRSTVWXYZ"  # pragma: allowlist secret

_Spans = Iterable[tuple[int, int]]


def population(count: int, taken: frozenset[str]) -> list[Listing]:
    """`count` rows of the reference lists, none of them under a ticker of `taken`."""
    seed = seeds(np.arange(1, count + 1))
    spans = list(_spans(count, uniform(seed, 1), uniform(seed, 2)))
    types = _chosen(_TYPES, uniform(seed, 3))
    exchanges = _exchanges(types, uniform(seed, 4))
    tickers = _tickers(types, exchanges, uniform(seed, 5), taken)
    draws = zip(*(uniform(seed, salt).tolist() for salt in range(6, 11)), strict=True)
    actions = zip(
        drawn_splits(seed, types, spans),
        drawn_payers(seed, types, spans),
        drawn_specials(seed, types, spans),
        strict=True,
    )
    rows = enumerate(zip(tickers, types, exchanges, spans, actions, draws, strict=True))
    return _with_reused_tickers([_listing(number, *row) for number, row in rows])


def unreferenced(count: int, taken: frozenset[str], fate: Fate) -> list[Listing]:
    """`count` listings outside the reference lists: five letters, the last one F (OTC) or Z."""
    seed = seeds(np.arange(1, count + 1))
    codes = _codes(4, taken)
    suffix = "F" if fate is Fate.OTC else "Z"
    return [
        Listing(ticker=ticker, name=ticker, path=ticker, first=first, end=end, fate=fate)
        for ticker, (first, end) in zip(
            (next(codes) + suffix for _ in range(count)),
            _spans(count, uniform(seed, 1), uniform(seed, 2)),
            strict=True,
        )
    ]


def _listing(
    number: int,
    ticker: str,
    type_: str | None,
    exchange: str | None,
    span: tuple[int, int],
    actions: tuple[tuple[Split, ...], Payer | None, tuple[Dividend, ...]],
    draws: tuple[float, ...],
) -> Listing:
    company, cik, figi, updated, active = draws
    first, end = span
    splits, payer, dividends = actions
    cik_known = cik < (_FUND_CIK_KNOWN if type_ in _FUNDS else _CIK_KNOWN)
    return Listing(
        ticker=ticker,
        name=f"{_COMPANIES[int(company * len(_COMPANIES))]} {_TAILS.get(type_ or '', 'Corp')}",
        path=f"invented {number}",
        type=type_,
        exchange=exchange,
        cik=f"{1_000_000 + number:010d}" if cik_known else None,
        composite_figi=figi_of("BBG00", number) if figi < _FIGI_KNOWN else None,
        share_class_figi=figi_of("BBG01", number) if figi < _SHARE_CLASS_FIGI_KNOWN else None,
        last_updated_utc=_updated(end, updated),
        states_active=active >= _ACTIVE_UNSTATED,
        first=first,
        end=end,
        splits=splits,
        payer=payer,
        dividends=dividends,
    )


def _chosen(table: _Fractions, draws: Floats) -> list[str | None]:
    """The values of `table` in its fractions, the last one taking what rounding leaves."""
    bounds = np.cumsum([fraction for _, fraction in table])[:-1]
    return [table[place][0] for place in np.searchsorted(bounds, draws, side="right").tolist()]


def _exchanges(types: list[str | None], draws: Floats) -> list[str | None]:
    funds, stocks = _chosen(_FUND_EXCHANGES, draws), _chosen(_STOCK_EXCHANGES, draws)
    places = zip(types, funds, stocks, strict=True)
    return [fund if type_ in _FUNDS else stock for type_, fund, stock in places]


def _spans(count: int, whether: Floats, when: Floats) -> _Spans:
    """First day and end of each listing, in the order of their first days."""
    shares, days = zip(*_BIRTHS, strict=True)
    first = np.interp((np.arange(count) + 0.5) / count, shares, days).astype(np.int64)
    youngest_end = first + _SHORTEST_LIFE
    end = (youngest_end + when * (_END_OF_HISTORY - youngest_end)).astype(np.int64)
    ends = (whether < _ENDING) & (youngest_end < _END_OF_HISTORY)
    return zip(first.tolist(), np.where(ends, end, STILL_LISTED).tolist(), strict=True)


def _tickers(
    types: list[str | None], exchanges: list[str | None], draws: Floats, taken: frozenset[str]
) -> Iterator[str]:
    short, long = _codes(3, taken), _codes(4, taken)
    for type_, exchange, draw in zip(types, exchanges, draws.tolist(), strict=True):
        nasdaq = exchange in ("XNAS", None)
        yield next(long if nasdaq else short) + _suffix(type_, draw, nasdaq=nasdaq)


def _suffix(type_: str | None, draw: float, *, nasdaq: bool) -> str:
    """How the vendor writes what is not a common share: ABCDW, ABC.WS, ABC.U, ABCr, ABCpC."""
    match type_:
        case "PFD" | "ADRP":
            return f"p{'ABCDEF'[int(draw * 6)]}"
        case "WARRANT":
            return "W" if nasdaq else ".WS"
        case "UNIT":
            return "U" if nasdaq else ".U"
        case "RIGHT":
            return "R" if nasdaq else "r"
        case _:
            return ""


def _codes(length: int, taken: frozenset[str]) -> Iterator[str]:
    """Every code of `length` letters once, in scattered order, without those of `taken`."""
    codes = 26**length
    for number in range(codes):
        # A multiplier without a common divisor with 26 visits every code exactly once.
        code = _letters((number * 10_007 + 4_001) % codes, length, _LETTERS)
        if code not in taken:
            yield code


def _letters(number: int, length: int, alphabet: str) -> str:
    found = ""
    for _ in range(length):
        number, place = divmod(number, len(alphabet))
        found = alphabet[place] + found
    return found


def figi_of(prefix: str, number: int) -> str:
    """An identifier of 12 characters, another one for each `number`."""
    scattered = number * 1_000_003 % len(_FIGI_LETTERS) ** 7
    return prefix + _letters(scattered, 7, _FIGI_LETTERS)


def _updated(end: int, draw: float) -> str | None:
    """Midnight of a late day, rarely absent, and of some newer rows a time with nanoseconds."""
    if draw < _NEVER_UPDATED:
        return None
    last = min(end + 3, _END_OF_HISTORY)
    day = date.fromordinal(last - (int(draw * 200) if end == STILL_LISTED else 0))
    if end == STILL_LISTED and draw < _NEVER_UPDATED + _UPDATED_WITH_NANOSECONDS:
        return f"{day}T09:31:59.{int(draw * 1e9):09d}Z"
    return f"{day}T00:00:00Z"


def _with_reused_tickers(listings: list[Listing]) -> list[Listing]:
    """Give some of the youngest common stocks the tickers of those that ended first.

    Their splits are left out, because a ticker's splits also count for its former company.
    """
    stocks = [number for number, listing in enumerate(listings) if listing.type == "CS"]
    ended = sorted(stocks, key=lambda number: listings[number].end)
    youngest = sorted(stocks, key=lambda number: -listings[number].first)
    reused = list(listings)
    for old, new in zip(ended, youngest[: len(listings) // REUSED_IN_EVERY], strict=False):
        if listings[old].end < listings[new].first:
            ticker = listings[old].ticker
            reused[new] = msgspec.structs.replace(listings[new], ticker=ticker, splits=())
    return reused
