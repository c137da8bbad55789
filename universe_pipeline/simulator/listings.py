"""What a listing is, and the listings that a world of any size has.

The well-known ones stand for what real lists hold and loaders get wrong: tickers that read as
missing values, symbols that differ by case alone, a ticker listed twice, renamed or reused ones,
exchange test tickers. Their tickers and names are borrowed, their numbers are invented.
"""

from datetime import date
from enum import StrEnum

import msgspec

from universe_pipeline.domain.sessions import FIRST_SESSION
from universe_pipeline.simulator.dividends import (
    WELL_KNOWN_DIVIDENDS,
    WELL_KNOWN_PAYERS,
    Dividend,
    Payer,
)
from universe_pipeline.simulator.noise import seed_of
from universe_pipeline.simulator.splits import WELL_KNOWN_SPLITS, Split
from universe_pipeline.simulator.truth import Case

STILL_LISTED = date.max.toordinal()


class Fate(StrEnum):
    """How the reference lists treat a listing after its end."""

    DELISTED = "delisted"
    """It moves to the list of delisted tickers."""
    RENAMED = "renamed"
    """It vanishes from both lists: under its new ticker, or because the vendor forgets it."""
    UNREFERENCED = "unreferenced"
    """Neither list ever knew it, though it has bars."""
    OTC = "otc"
    """Not in the lists of market `stocks`; bars only with `include_otc=true`."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One security under one ticker, for one unbroken time."""

    ticker: str
    name: str
    path: str
    """Whose prices it has: a renamed company keeps its path, a reused ticker starts another."""
    security: str | None = None
    """What it truly is a listing of; None: what its path is named after."""
    type: str | None = "CS"
    exchange: str | None = "XNYS"
    cik: str | None = None
    composite_figi: str | None = None
    share_class_figi: str | None = None
    last_updated_utc: str | None = "2026-11-02T00:00:00Z"
    states_active: bool = True
    """Whether its row has the key `active`, which the vendor may leave out."""
    first: int = FIRST_SESSION.toordinal()
    """Proleptic ordinal of the first day."""
    end: int = STILL_LISTED
    """Ordinal of the day after the last: the day of `delisted_utc`, without a bar."""
    fate: Fate = Fate.DELISTED
    traded: bool = True
    """False for the second row of a ticker that is listed twice at a time."""
    price: float | None = None
    """Where its prices swing about, in USD a share after its last split; None: drawn."""
    shares: float | None = None
    """Its usual volume a session, in such shares; None: drawn."""
    frozen: bool = False
    """Never trades: each session carries the same price with volume 0."""
    splits: tuple[Split, ...] = ()
    """Oldest first."""
    payer: Payer | None = None
    dividends: tuple[Dividend, ...] = ()
    """Those that do not follow from `payer`."""
    restlessness: float | None = None
    """How far a day's noise moves the price, as a fraction of it; None: drawn."""
    halted: tuple[int, int] | None = None
    """Ordinals of the first day without a bar and of the first with one again."""
    absences: tuple[tuple[int, int], ...] = ()
    """Spans, such as `halted`, on whose days the reference lists lack it, though it trades."""
    event_days: tuple[int, ...] | None = None
    """The days on which ticker events give this ticker to its company; None: `first`."""
    case: Case | None = None
    """Why it is planted."""

    @property
    def identity(self) -> str:
        """The same for all listings of a security, and for no other."""
        return self.security or self.path


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _liquid(
    ticker: str, name: str, exchange: str, type_: str, price: float, shares: float
) -> Listing:
    return Listing(
        ticker=ticker,
        name=name,
        path=ticker,
        exchange=exchange,
        type=type_,
        price=price,
        shares=shares,
        cik=f"{seed_of(ticker) % 1_000_000:010d}",
        splits=WELL_KNOWN_SPLITS.get(ticker, ()),
        payer=WELL_KNOWN_PAYERS.get(ticker),
        dividends=WELL_KNOWN_DIVIDENDS.get(ticker, ()),
    )


def _test(ticker: str, price: float, *, frozen: bool = False, shares: float = 50_000) -> Listing:
    return Listing(
        ticker=ticker,
        name=f"{ticker} test issue",
        path=ticker,
        fate=Fate.UNREFERENCED,
        price=price,
        shares=shares,
        frozen=frozen,
    )


BENCHMARKS = (
    _liquid("AAPL", "Apple Inc.", "XNAS", "CS", 180, 60e6),
    _liquid("MSFT", "Microsoft Corp", "XNAS", "CS", 300, 25e6),
    _liquid("SPY", "SPDR S&P 500 ETF Trust", "ARCX", "ETF", 400, 80e6),
    _liquid("QQQ", "Invesco QQQ Trust, Series 1", "XNAS", "ETF", 330, 45e6),
    _liquid("BRK.A", "Berkshire Hathaway Inc. Class A", "XNYS", "CS", 450_000, 9_000),
    _liquid("BRK.B", "Berkshire Hathaway Inc. Class B", "XNYS", "CS", 300, 4e6),
    _liquid("A", "Agilent Technologies Inc.", "XNYS", "CS", 110, 1.6e6),
)

READ_AS_MISSING = (
    _liquid("NA", "Nano Labs Ltd", "XNAS", "CS", 6, 90_000),
    _liquid("NAN", "Nanometer Research Inc.", "XNYS", "CS", 14, 40_000),
    _liquid("TRUE", "TrueCar, Inc. Common Stock", "XNAS", "CS", 4, 900_000),
    _liquid("NULL", "Null & Sons Ångström Corp", "XNAS", "CS", 22, 120_000),
)

DIFFERING_BY_CASE = (
    _liquid("BCPC", "Balchem Corp", "XNAS", "CS", 140, 150_000),
    _liquid("BCpC", "Brunswick Corporation 6.375% Notes due 2049", "XNYS", "PFD", 24, 4_000),
    _liquid("TPC", "Tutor Perini Corporation", "XNYS", "CS", 18, 500_000),
    _liquid("TpC", "AT&T Inc. 4.750% Perpetual Preferred Series C", "XNYS", "PFD", 20, 90_000),
    _liquid("PSApS", "Public Storage 4.100% Preferred Series S", "XNYS", "PFD", 17, 12_000),
    _liquid("GM.WS.B", "General Motors Company Warrants Class B", "XNYS", "WARRANT", 15, 8_000),
    _liquid("AIIAr", "AI Infrastructure Acquisition Corp. Rights", "XNYS", "RIGHT", 0.16, 3_000),
    _liquid("SBXD.U", "SilverBox Corp IV Units", "XNYS", "UNIT", 11, 5_000),
)

LISTED_TWICE = tuple(
    Listing(
        ticker="THC",
        name="Tenet Healthcare Corporation New",
        path="THC",
        cik=cik,
        last_updated_utc=updated,
        price=60,
        shares=1.2e6,
        traded=traded,
    )
    for cik, updated, traded in (
        ("0000900001", "2026-07-24T00:00:00Z", False),
        ("0000900002", "2026-08-02T00:00:00Z", True),
    )
)

RENAMED_AND_REUSED = (
    Listing(
        ticker="FB",
        name="Facebook, Inc. Class A Common Stock",
        path="META Platforms",
        cik="0001326801",
        composite_figi="BBG000MM2P62",
        exchange="XNAS",
        price=200,
        shares=22e6,
        first=_day("2012-05-18"),
        end=_day("2022-06-09"),
        fate=Fate.RENAMED,
    ),
    Listing(
        ticker="META",
        name="Meta Platforms, Inc. Class A Common Stock",
        path="META Platforms",
        cik="0001326801",
        composite_figi="BBG000MM2P62",
        exchange="XNAS",
        price=200,
        shares=22e6,
        first=_day("2022-06-09"),
    ),
    Listing(
        ticker="META",
        name="Roundhill Ball Metaverse ETF",
        path="METV",
        type="ETF",
        exchange="ARCX",
        price=12,
        shares=700_000,
        first=_day("2021-06-30"),
        end=_day("2022-01-31"),
        fate=Fate.RENAMED,
    ),
    Listing(
        ticker="METV",
        name="Roundhill Ball Metaverse ETF",
        path="METV",
        type="ETF",
        exchange="ARCX",
        price=12,
        shares=700_000,
        first=_day("2022-01-31"),
    ),
    Listing(
        ticker="SNDK",
        name="SanDisk Corporation",
        path="SanDisk until 2016",
        exchange="XNAS",
        price=60,
        shares=5e6,
        end=_day("2016-05-12"),
        last_updated_utc="2016-05-13T00:00:00Z",
    ),
    Listing(
        ticker="SNDK",
        name="Sandisk Corporation Common Stock",
        path="Sandisk since 2025",
        exchange="XNAS",
        price=90,
        shares=3e6,
        first=_day("2025-02-24"),
    ),
    Listing(
        ticker="TWTR",
        name="Twitter, Inc. Common Stock",
        path="TWTR",
        price=35,
        shares=15e6,
        first=_day("2013-11-07"),
        end=_day("2022-10-28"),
        last_updated_utc="2022-10-31T00:00:00Z",
    ),
)

TEST_TICKERS = (
    _test("ZVZZT", 10, shares=13e6),
    _test("ZWZZT", 15),
    _test("ZXZZT", 20),
    _test("ZJZZT", 20),
    _test("NTEST.A", 25),
    _test("NTEST.B", 25),
    _test("MTEST.A", 30),
    _test("CBOX", 40),
    _test("ATEST.A", 12),
    _test("IBOT", 8),
    _test("ZTST", 12_345, frozen=True),
    _test("ZBZX", 25, frozen=True),
)

WELL_KNOWN = (
    *BENCHMARKS,
    *READ_AS_MISSING,
    *DIFFERING_BY_CASE,
    *LISTED_TWICE,
    *RENAMED_AND_REUSED,
    *TEST_TICKERS,
)
