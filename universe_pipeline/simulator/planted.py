"""The planted cases: listings, splits and dividends about which the vendor's lists err.

All lie in the 60 sessions up to a given day, and all but the oldest in the last 25, so that a load
of those sessions shows them. What is true is in `truth`, with a row for each row here.
"""

from bisect import bisect_right
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, NamedTuple

from universe_pipeline.domain.sessions import all_sessions
from universe_pipeline.simulator.dividends import Dividend, Payer
from universe_pipeline.simulator.listings import Fate, Listing
from universe_pipeline.simulator.population import figi_of
from universe_pipeline.simulator.splits import Action, Split
from universe_pipeline.simulator.truth import Case, TrueDividend, TrueSplit

_NUMBERS_FROM = 5_000_000
"""Above the numbers of invented listings, which FIGIs and CIKs are made of."""

_Ago = Callable[[int], int]
"""The ordinal of the session so many sessions before the planted day; negative: after it."""


class Planted(NamedTuple):
    """Listings, and what is true of their splits and dividends."""

    listings: tuple[Listing, ...]
    splits: tuple[TrueSplit, ...] = ()
    dividends: tuple[TrueDividend, ...] = ()


def planted(until: date) -> Planted:
    """All cases, in the sessions up to `until`."""
    sessions = all_sessions()
    newest = bisect_right(sessions, until) - 1

    def ago(count: int) -> int:
        return sessions[newest - count].toordinal()

    parts = [plant(ago) for plant in (*_IDENTITIES, *_SPLITS, *_DIVIDENDS)]
    return Planted(
        tuple(listing for part in parts for listing in part.listings),
        tuple(split for part in parts for split in part.splits),
        tuple(dividend for part in parts for dividend in part.dividends),
    )


def _listing(number: int, ticker: str, case: Case, **changes: Any) -> Listing:
    """A calm, liquid stock of the company `number`, with all its identifiers."""
    usual: dict[str, Any] = {
        "name": f"{ticker.title()} Corp",
        "path": f"planted {number}",
        "cik": f"{_NUMBERS_FROM + number:010d}",
        "composite_figi": figi_of("BBG00", _NUMBERS_FROM + number),
        "share_class_figi": figi_of("BBG01", _NUMBERS_FROM + number),
        "price": 50.0,
        "shares": 400_000.0,
        "restlessness": 0.01,
    }
    return Listing(ticker=ticker, case=case, **(usual | changes))


_NO_FIGI: dict[str, Any] = {"composite_figi": None, "share_class_figi": None}


def _renamed_with_figi(ago: _Ago) -> Planted:
    changed, listing = ago(8), partial(_listing, 1, case=Case.RENAMED_WITH_FIGI)
    return Planted(
        (
            listing("FIGOL", end=changed, fate=Fate.RENAMED),
            listing("FIGNE", first=changed, event_days=(changed + 2, changed + 2)),
        )
    )


def _renamed_with_cik(ago: _Ago) -> Planted:
    changed, listing = ago(9), partial(_listing, 2, case=Case.RENAMED_WITH_CIK, **_NO_FIGI)
    return Planted(
        (listing("CIKOL", end=changed, fate=Fate.RENAMED), listing("CIKNE", first=changed))
    )


def _spac_merged(ago: _Ago) -> Planted:
    merged, case = ago(7), Case.SPAC_MERGED
    before: dict[str, Any] = {"name": "Spacq Acquisition Corp", "price": 10.0, "fate": Fate.RENAMED}
    return Planted(
        (
            _listing(3, "SPACQ", case, end=merged, **before, **_NO_FIGI),
            _listing(4, "SPAVN", case, first=merged, price=25.0, **_NO_FIGI),
        )
    )


def _reused_after_gap(ago: _Ago) -> Planted:
    case = Case.REUSED_AFTER_GAP
    return Planted(
        (
            _listing(5, "REUSE", case, name="Reuse Oil Co", end=ago(50), price=9.0),
            _listing(6, "REUSE", case, name="Reuse Robotics Inc", first=ago(18)),
        )
    )


def _fund_before_stock(ago: _Ago) -> Planted:
    case, left = Case.FUND_BEFORE_STOCK, ago(21)
    fund: dict[str, Any] = {
        "name": "Refnx Thematic ETF",
        "type": "ETF",
        "exchange": "ARCX",
        "price": 12.0,
    }
    return Planted(
        (
            _listing(7, "REFND", case, end=left, fate=Fate.RENAMED, **fund),
            _listing(7, "REFNX", case, first=left, **fund),
            _listing(8, "REFND", case, name="Refnd Platforms Inc", first=ago(9)),
        )
    )


def _company_changed(ago: _Ago) -> Planted:
    case, changed = Case.COMPANY_CHANGED, ago(12)
    old: dict[str, Any] = {"name": "Herts Global Holdings Inc", "price": 9.0}
    return Planted(
        (
            _listing(9, "HERTS", case, end=changed, fate=Fate.RENAMED, **old),
            _listing(9, "HERIL", case, first=changed, **old | {"name": "Heril Holdings Inc"}),
            _listing(10, "HERTS", case, name="Herts Rental Car Inc", first=changed),
        )
    )


def _flickers(ago: _Ago) -> Planted:
    absences = tuple((ago(start), ago(end)) for start, end in ((22, 20), (15, 13), (9, 8), (4, 3)))
    return Planted((_listing(11, "FLICK", Case.FLICKERS, absences=absences),))


def _ghost(ago: _Ago) -> Planted:
    day: dict[str, Any] = {
        "first": ago(10),
        "end": ago(10) + 1,
        "fate": Fate.RENAMED,
        "traded": False,
    }
    return Planted((_listing(12, "GHOST", Case.GHOST, **day),))


def _two_rows(ago: _Ago) -> Planted:
    case, ended = Case.TWO_ROWS, ago(16)
    later = partial(_listing, 14, "TWOHD", case, name="Twohd Trust Inc")
    return Planted(
        (
            _listing(13, "TWOHD", case, name="Twohd Bancorp", end=ended, price=9.0),
            later(first=ago(60), end=ended, fate=Fate.RENAMED, traded=False),
            later(first=ago(10)),
        )
    )


def _foreign_identifiers(_: _Ago) -> Planted:
    case, victim = Case.FOREIGN_IDENTIFIERS, _listing(15, "VICTM", Case.FOREIGN_IDENTIFIERS)
    taken: dict[str, Any] = {
        "cik": victim.cik,
        "composite_figi": victim.composite_figi,
        "share_class_figi": victim.share_class_figi,
    }
    return Planted((victim, _listing(16, "FORID", case, **taken)))


def _when_issued(ago: _Ago) -> Planted:
    case, regular = Case.WHEN_ISSUED, ago(8)
    early: dict[str, Any] = {"security": "planted 17 when issued", "name": "Whiss Corp When Issued"}
    return Planted(
        (
            _listing(17, "WHISSw", case, first=ago(15), end=regular, fate=Fate.RENAMED, **early),
            _listing(17, "WHISS", case, first=regular),
        )
    )


def _halted(ago: _Ago) -> Planted:
    return Planted((_listing(18, "HALTD", Case.HALTED, halted=(ago(17), ago(4))),))


def _delisted(ago: _Ago) -> Planted:
    return Planted((_listing(19, "DELIN", Case.DELISTED, end=ago(6)),))


def _forgotten(ago: _Ago) -> Planted:
    return Planted((_listing(20, "DELAB", Case.FORGOTTEN, end=ago(6), fate=Fate.RENAMED),))


_IDENTITIES = (
    _renamed_with_figi,
    _renamed_with_cik,
    _spac_merged,
    _reused_after_gap,
    _fund_before_stock,
    _company_changed,
    _flickers,
    _ghost,
    _two_rows,
    _foreign_identifiers,
    _when_issued,
    _halted,
    _delisted,
    _forgotten,
)


def _split(day: int, split_from: float, split_to: float, **changes: Any) -> Split:
    kind = "forward_split" if split_to > split_from else "reverse_split"
    return Split(day, split_from, split_to, kind, **changes)


def _true_split(
    case: Case, symbol: str, split: Split, verdict: str | None, applied_on: int | None
) -> TrueSplit:
    return TrueSplit(
        case=case,
        symbol=symbol,
        execution_date=date.fromordinal(split.day),
        split_from=split.split_from,
        split_to=split.split_to,
        is_listed=split.is_listed,
        listed_until=_until(split),
        verdict=verdict,
        applied_on=_date(applied_on),
    )


def _until(action: Action) -> date | None:
    until = date.fromordinal(action.listed_until)
    return None if until == date.max else until


def _date(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)


def _split_late(ago: _Ago) -> Planted:
    case, ticker, true = Case.SPLIT_LATE, "LATES", ago(14)
    real, row = _split(true, 1, 4, is_listed=False), _split(ago(9), 1, 4, happens=False)
    return Planted(
        (_listing(31, ticker, case, splits=(real, row)),),
        (_true_split(case, ticker, row, "contradicted", true),),
    )


def _split_twice(ago: _Ago) -> Planted:
    case, ticker = Case.SPLIT_TWICE, "TWICE"
    twin, real = _split(ago(13), 1, 3, happens=False), _split(ago(10), 1, 3)
    return Planted(
        (_listing(32, ticker, case, splits=(twin, real)),),
        (
            _true_split(case, ticker, twin, "twin", None),
            _true_split(case, ticker, real, "verified", real.day),
        ),
    )


def _split_two_ratios(ago: _Ago) -> Planted:
    case, ticker = Case.SPLIT_TWO_RATIOS, "RATIO"
    wrong, real = _split(ago(11), 1, 2, happens=False), _split(ago(11), 1, 3)
    return Planted(
        (_listing(33, ticker, case, splits=(wrong, real)),),
        (
            _true_split(case, ticker, wrong, None, None),
            _true_split(case, ticker, real, None, real.day),
        ),
    )


def _split_missing(ago: _Ago) -> Planted:
    case, ticker, real = Case.SPLIT_MISSING, "MISSI", _split(ago(10), 1, 2, is_listed=False)
    return Planted(
        (_listing(34, ticker, case, splits=(real,)),),
        (_true_split(case, ticker, real, None, real.day),),
    )


def _split_cancelled(ago: _Ago) -> Planted:
    case, ticker = Case.SPLIT_CANCELLED, "ANNUL"
    span: dict[str, Any] = {"listed_from": ago(30), "listed_until": ago(6)}
    row = _split(ago(5), 1, 2, happens=False, **span)
    return Planted(
        (_listing(35, ticker, case, splits=(row,)),),
        (_true_split(case, ticker, row, "announced", None),),
    )


def _split_announced(ago: _Ago) -> Planted:
    case, ticker, row = Case.SPLIT_ANNOUNCED, "AHEAD", _split(ago(-10), 1, 2)
    return Planted(
        (_listing(36, ticker, case, splits=(row,)),),
        (_true_split(case, ticker, row, "announced", row.day),),
    )


def _spin_off(ago: _Ago) -> Planted:
    case, ticker, row = Case.SPIN_OFF, "SPINO", _split(ago(9), 1000, 1281, is_spin_off=True)
    return Planted(
        (_listing(37, ticker, case, splits=(row,)),),
        (_true_split(case, ticker, row, "verified", row.day),),
    )


def _split_under_later_ticker(ago: _Ago) -> Planted:
    case, renamed = Case.SPLIT_UNDER_LATER_TICKER, ago(6)
    row = _split(ago(13), 10, 1, listed_as="SPLNE")
    return Planted(
        (
            _listing(38, "SPLOL", case, end=renamed, fate=Fate.RENAMED, splits=(row,)),
            _listing(38, "SPLNE", case, first=renamed),
        ),
        (_true_split(case, "SPLNE", row, "verified", row.day),),
    )


_SPLITS = (
    _split_late,
    _split_twice,
    _split_two_ratios,
    _split_missing,
    _split_cancelled,
    _split_announced,
    _spin_off,
    _split_under_later_ticker,
)


def _paying(
    number: int, ticker: str, case: Case, *rows: tuple[Dividend, float, str | None], **changes: Any
) -> Planted:
    """A listing with these rows of the list, each with what is paid and the right verdict."""
    dividends = tuple(row for row, _, _ in rows)
    given: tuple[Dividend, ...] = changes.pop("unlisted", ())
    return Planted(
        (_listing(number, ticker, case, dividends=(*given, *dividends), **changes),),
        dividends=tuple(
            TrueDividend(
                case=case,
                symbol=ticker,
                ex_date=date.fromordinal(row.day),
                cash_amount=row.cash or 0.0,
                currency=row.currency,
                listed_from=_date(row.listed_from),
                listed_until=_until(row),
                paid=paid,
                verdict=verdict,
            )
            for row, paid, verdict in rows
        ),
    )


def _cash(day: int, cash: float, **changes: Any) -> Dividend:
    usual: dict[str, Any] = {"type": "recurring", "frequency": 4}
    return Dividend(day=day, cash=cash, **usual | changes)


def _dividend_usual(ago: _Ago) -> Planted:
    return _paying(51, "USUAL", Case.DIVIDEND_USUAL, (_cash(ago(12), 0.5), 0.5, "usable"))


def _dividend_twice(ago: _Ago) -> Planted:
    row, again = _cash(ago(10), 0.5), _cash(ago(10), 0.5, happens=False)
    rows = (row, 0.5, "usable"), (again, 0.0, None)
    return _paying(52, "DOUBL", Case.DIVIDEND_TWICE, *rows)


def _dividends_add_up(ago: _Ago) -> Planted:
    regular, special = _cash(ago(11), 0.3), _cash(ago(11), 2.0, type="special", frequency=0)
    rows = (regular, 0.3, "usable"), (special, 2.0, "usable")
    return _paying(53, "ADDUP", Case.DIVIDENDS_ADD_UP, *rows)


def _dividend_cancelled(ago: _Ago) -> Planted:
    row = _cash(ago(5), 0.5, happens=False, listed_from=ago(20), listed_until=ago(7))
    return _paying(54, "CANCL", Case.DIVIDEND_CANCELLED, (row, 0.0, "announced"))


def _dividend_moved(ago: _Ago) -> Planted:
    row = _cash(ago(12), 0.5, happens=False, listed_from=ago(24), listed_until=ago(14))
    moved = _cash(ago(7), 0.5, listed_from=ago(14))
    rows = (row, 0.0, "announced"), (moved, 0.5, "usable")
    return _paying(55, "MOVEX", Case.DIVIDEND_MOVED, *rows)


def _dividend_hundredfold(ago: _Ago) -> Planted:
    """A hundred times what it has paid in each quarter before."""
    row, real = _cash(ago(8), 25.0, happens=False), _cash(ago(8), 0.25, is_listed=False)
    usual: dict[str, Any] = {"payer": _quarterly(ago), "price": 100.0, "unlisted": (real,)}
    return _paying(56, "HUNDR", Case.DIVIDEND_HUNDREDFOLD, (row, 0.25, "doubtful"), **usual)


def _dividend_above_price(ago: _Ago) -> Planted:
    row, real = _cash(ago(8), 500.0, happens=False), _cash(ago(8), 0.25, is_listed=False)
    usual: dict[str, Any] = {"payer": _quarterly(ago), "price": 100.0, "unlisted": (real,)}
    return _paying(57, "ABOVE", Case.DIVIDEND_ABOVE_PRICE, (row, 0.25, "not_below_price"), **usual)


def _dividend_in_eur(ago: _Ago) -> Planted:
    row = _cash(ago(9), 0.4, currency="EUR", happens=False)
    real = _cash(ago(9), 0.44, is_listed=False)
    rows = ((row, 0.44, "foreign_currency"),)
    return _paying(58, "EUROS", Case.DIVIDEND_IN_EUR, *rows, unlisted=(real,))


def _dividend_on_split_day(ago: _Ago) -> Planted:
    splits = (_split(ago(11), 1, 2),)
    row = _cash(ago(11), 1.0)
    return _paying(59, "SPDAY", Case.DIVIDEND_ON_SPLIT_DAY, (row, 1.0, "usable"), splits=splits)


def _dividend_split_adjusted(ago: _Ago) -> Planted:
    splits, row = (_split(ago(6), 1, 4),), _cash(ago(15), 0.77)
    return _paying(60, "ADJUS", Case.DIVIDEND_SPLIT_ADJUSTED, (row, 0.77, "usable"), splits=splits)


def _dividend_announced(ago: _Ago) -> Planted:
    row = _cash(ago(-8), 0.5, listed_from=ago(3))
    return _paying(61, "TOPAY", Case.DIVIDEND_ANNOUNCED, (row, 0.5, "announced"))


def _quarterly(ago: _Ago) -> Payer:
    return Payer(frequency=4, phase=0.3, rate=0.01, until=ago(40))


_DIVIDENDS = (
    _dividend_usual,
    _dividend_twice,
    _dividends_add_up,
    _dividend_cancelled,
    _dividend_moved,
    _dividend_hundredfold,
    _dividend_above_price,
    _dividend_in_eur,
    _dividend_on_split_day,
    _dividend_split_adjusted,
    _dividend_announced,
)
