"""The closed list of rules; docs/quality.md is the same list for people.

ERROR is for what no healthy data does: the row is rejected, or the session is quarantined, and a
verification fails. WARN is for what is mostly a fault of the data, and a person should look at.
INFO is for what healthy data always shows: it is recorded, and is neither a warning nor a failure.

What the vendor's data does by itself breaks no rule of severity ERROR: vwap outside low and high,
rows without trades, test tickers, splits of 1.0056 for 1, fractional volume.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from universe_pipeline.domain.foreign_text import symbols_option


class Level(StrEnum):
    """What a rule judges."""

    ROW = "row"
    SESSION = "session"
    SERIES = "series"
    SOURCE = "source"
    UNIVERSE = "universe"


class Severity(StrEnum):
    """What it means that a rule is broken."""

    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"


RELOAD = "universe historical --start DATE --end DATE --reload"
REPAIR = "universe repair --symbols=SYMBOL --start DATE --end DATE"
APPROVE = "universe approve DATE --reason TEXT"
DISCOVER = "universe discover --force-refresh"
LOAD = "universe historical --start DATE --end DATE"
RETRY = "universe retry"
RESUME = "universe resume"
FROM_THERE = "universe historical --symbols=SYMBOL --start DATE --reload"
VERIFY = "universe verify"
DELETE = "universe psql -c \"DELETE FROM daily_bars WHERE date = 'DATE'\""
LOOK = "look at it"
ACTIONS = "universe actions"
UNKNOWN = "universe listings --unknown"
ANCHORS = "universe listings --anchors"
_NAMED = "--symbols=SYMBOL"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its name, which says what holds where it is kept."""

    name: str
    meaning: str
    repair: str
    """The command that repairs it; DATE and SYMBOL stand for those of an offender."""
    level: Level
    severity: Severity = Severity.WARN
    quarantines: bool = False
    """Whether a session that breaks it is kept from readers."""
    degrades: bool = False
    """Whether a session that breaks it is `degraded` for readers."""

    def command(self, day: str | None, symbol: str | None) -> str:
        """What repairs an offender of that day and symbol, where they are known; for a shell."""
        command = self.repair.replace("DATE", day or "DATE")
        return command.replace(_NAMED, symbols_option([symbol])) if symbol else command

    @property
    def is_of_sessions(self) -> bool:
        """Whether its offenders are whole sessions."""
        return self.level is Level.SESSION or self.degrades


_row = partial(Rule, repair=REPAIR, level=Level.ROW)
_session = partial(Rule, repair=RELOAD, level=Level.SESSION, degrades=True)
_quarantine = partial(
    Rule,
    repair=f"{RELOAD} or {APPROVE}",
    level=Level.SESSION,
    severity=Severity.ERROR,
    quarantines=True,
    degrades=True,
)
_load = partial(Rule, level=Level.SESSION)
_series = partial(Rule, repair=REPAIR, level=Level.SERIES)
_source = partial(Rule, repair=RELOAD, level=Level.SOURCE)
_universe = partial(Rule, repair=DISCOVER, level=Level.UNIVERSE)
_action = partial(Rule, repair=ACTIONS, level=Level.UNIVERSE)

SYMBOL_FORM = _row(
    "symbol_form",
    "a stored symbol has 1 to 32 characters, and no white space or control characters",
    severity=Severity.ERROR,
    repair=RELOAD,
)
PRICE_POSITIVE = _row(
    "price_positive", "stored prices are finite and above zero", severity=Severity.ERROR
)
OHLC_ORDER = _row(
    "ohlc_order",
    "high is at least, and low at most, every other price of a stored bar",
    severity=Severity.ERROR,
)
VOLUME_FINITE = _row("volume_finite", "stored volume is finite", severity=Severity.ERROR)
TRANSACTIONS_AGREE = _row(
    "transactions_agree_with_volume",
    "volume and transactions are not negative, and both zero or neither",
)
VWAP_NEAR = _row(
    "vwap_is_near_the_range",
    "vwap is above zero and at most 2 % outside low and high",
)
WICKS_SHORT = _row(
    "high_and_low_are_near_open_and_close",
    "low is at least half, and high at most twice, what open and close reach, from a dollar on and"
    " unless over threefold the dollars are traded",
)
RANGES_NARROW = _row(
    "ranges_are_narrow",
    "low is at least half, and high at most twice, what open and close reach, also at cents or"
    " where news is traded",
    severity=Severity.INFO,
    repair=LOOK,
)
PRICES_USUAL = _row(
    "prices_are_of_a_usual_size", "prices are from a cent to a million dollars", repair=LOOK
)
EARLY_VOLUME_WHOLE = _row(
    "early_volume_is_whole",
    "before 2026-02-23 volume is whole: fractions then come of adjusting for splits",
)

ROW_COUNT_PLAUSIBLE = _quarantine(
    "session_has_a_plausible_row_count",
    "bars are within 10 % of the median of the twenty loaded sessions before",
)
NO_REPEAT = _quarantine(
    "session_differs_from_the_one_before",
    "at most 1 % of the bars with trades are those of the session before (1,000 at least)",
)
BENCHMARKS_PRESENT = _quarantine(
    "session_has_the_benchmark_symbols",
    "SPY, AAPL, MSFT and BRK.A trade, those that did in each of the twenty sessions before",
)
ON_SESSIONS = Rule(
    "bars_fall_on_sessions",
    "no bar lies on a day on which the NYSE was closed",
    repair=DELETE,
    level=Level.SESSION,
    severity=Severity.ERROR,
)
ROW_COUNT_USUAL = _session(
    "session_has_its_usual_row_count",
    "bars are within 3 % of the median of the twenty loaded sessions before",
)
EXCHANGES_PRESENT = _session(
    "session_has_every_exchange",
    "no exchange has under 90 % of its usual bars of the universe's types (20 fewer at least)",
)
REJECTS_USUAL = _session(
    "session_rejects_its_usual_share",
    "rejected rows are at most 0.1 % more of the answer than usual",
)
MOVES_USUAL = _session(
    "session_moves_as_usual",
    "returns, turnover and the share of unchanged closes are near those of the sessions before",
)
SHIFTED = _session(
    "session_does_not_differ_as_a_whole",
    "no factor lies on all prices or all volumes, and at most a fifth more bars than usual have one"
    " price and hardly any volume",
)
VOLUME_FRACTIONAL = _session(
    "session_has_fractional_volume",
    "from 2026-02-23 on at least a tenth of the volumes is fractional (of 1,000 at least)",
)

SESSIONS_USABLE = _load(
    "sessions_are_usable",
    "no session failed to load or is quarantined",
    severity=Severity.ERROR,
    repair=RETRY,
)
SESSIONS_LOADED = _load(
    "sessions_are_loaded",
    "every session of the range has been loaded",
    repair=LOAD,
)
COVERAGE_COMPLETE = _load(
    "coverage_knows_every_load",
    "every committed session is part of data_coverage",
    severity=Severity.ERROR,
    repair=VERIFY,
)
NO_GAPS = _series(
    "series_have_no_gaps",
    "a symbol with unbroken bars, and a million dollars traded a day, has one in every loaded"
    " session to its last",
)
TRADED_DAILY = _series(
    "symbols_trade_in_every_session",
    "a symbol with unbroken bars has one in every loaded session to its last, however little of it"
    " is traded",
    severity=Severity.INFO,
    repair=LOOK,
)
CLOSES_MOVE = _series(
    "closes_do_not_stand_still",
    "no close is the same in 5 bars in a row with trades, where ticks do not make that likely",
    repair=LOOK,
)
CLOSES_CHANGE = _series(
    "closes_change_within_a_week",
    "no close is the same in 5 bars in a row, also without trades or in small steps",
    severity=Severity.INFO,
    repair=LOOK,
)
VOLUME_USUAL = _series(
    "volume_is_near_its_usual",
    "volume is within six deviations of the twenty bars before, on a log scale",
)
PLACEHOLDERS_CARRY = _series(
    "placeholders_repeat_the_close_before",
    "a bar without volume and range carries the close before it",
)
JUMPS_EXPLAINED = _series(
    "jumps_are_explained_by_splits",
    "no close moves by a factor of 1.5, and tenfold its usual move, without a split or the trading"
    " that news brings",
)
SPLITS_SHOWN = _series(
    "splits_show_in_prices",
    "prices move by a split, give or take half of it, on its execution date",
    repair=LOOK,
)
SPLITS_KNOWN = _series(
    "moves_like_a_split_are_splits",
    "no open is close to a whole multiple or fraction of the close before without a split or the"
    " trading that news brings",
)
SCALE_KEPT = _series(
    "prices_keep_their_scale", "no price moves a hundredfold without a split", repair=FROM_THERE
)
NO_SPIKES = _series(
    "moves_do_not_revert_at_once",
    "no close moves threefold, by 30 % without a trade, or by 30 % in a calm symbol that trades as"
    " before, and is back in the next bar",
)
CLOSES_NEAR = _series(
    "closes_are_near_the_one_before",
    "no close moves by a factor of 1.5, and tenfold its usual move without a split, or by 30 % and"
    " back",
    severity=Severity.INFO,
    repair=LOOK,
)
ONE_COMPANY = _series(
    "symbols_stay_one_company",
    "after twenty loaded sessions without a bar the price is still about the same",
    repair=LOOK,
)

COUNTS_KEPT = _source(
    "sessions_hold_what_they_stored",
    "a session holds as many bars as its load stored",
    severity=Severity.ERROR,
    degrades=True,
)
CONTENTS_KEPT = _source(
    "contents_are_as_they_were_loaded",
    "a session's bars have the fingerprint of the answer that they came in",
    severity=Severity.ERROR,
    degrades=True,
)
REVISIONS_SMALL = _source(
    "revisions_change_prices_little",
    "no later answer changed a close by more than 0.5 %",
    repair=LOOK,
)
ENDPOINTS_AGREE = _source(
    "bars_agree_with_the_symbol_endpoint",
    "sampled symbols have the same bars by the per-symbol endpoint",
    repair=REPAIR,
)
ADJUSTED_AGREE = _source(
    "adjusted_bars_agree_with_the_splits",
    "sampled symbols' adjusted bars are the stored ones times their splits",
    repair=LOOK,
)
FACTORS_AGREE = _source(
    "vendor_factors_agree",
    "the vendor's own factors of sampled symbols' splits and dividends are those of the verdicts",
    repair=ACTIONS,
)

SYMBOLS_UNIQUE = _universe(
    "symbols_are_unique", "no symbol stands twice in the reference list", severity=Severity.ERROR
)
UNIVERSE_STABLE = _universe(
    "universe_resembles_the_one_before",
    "size, types and exchanges differ by at most 2 % from the snapshot before",
)
IDENTIFIERS_STABLE = _universe(
    "identifiers_are_as_common_as_before",
    "as many symbols have a FIGI and a CIK as in the snapshot before, give or take 2 %",
)
FIELDS_KEPT = _universe(
    "lists_hold_what_is_known",
    "the newest lists hold every value that is known of their symbols; lacking ones are kept",
)
FIGI_UNIQUE = _universe(
    "figi_names_one_active_symbol", "no two active symbols have the same composite FIGI"
)
TRADED_LISTED = _universe(
    "traded_symbols_are_listed",
    "a reference list has every symbol with bars",
    severity=Severity.INFO,
)
DELISTED_QUIET = _universe(
    "delisted_symbols_do_not_trade", "no symbol has a bar after the day it was delisted"
)
LISTED_TRADED = _universe(
    "listed_stocks_trade",
    "active symbols of the universe's types have a bar in the last twenty loaded sessions",
    repair=LOOK,
)
SOME_END = _universe(
    "some_symbols_end", "over a year or more some symbols end: otherwise only survivors are there"
)

SPLITS_UNIQUE = _universe(
    "splits_are_unique", "the vendor's list has no two splits of one symbol and date"
)
SPLITS_USABLE = _universe(
    "splits_have_usable_ratios", "every row of the vendor's list is a split that can be applied"
)
SPLITS_VERIFIED = _action(
    "splits_are_verified", "prices show each split that they can show, on its execution date"
)
SPLITS_SINGLE = _action(
    "splits_are_single", "no action of a security is listed under two days or symbols"
)
DIVIDENDS_BELOW = _action(
    "dividends_are_below_the_price",
    "a dividend is less than the price, and one over three usual moves shows in it",
)
RATIO_UNUSUAL = _action(
    "split_ratio_is_unusual",
    "the reduced ratio of a split has a side of at most 100, or it is a stock dividend; that of a"
    " spin-off has not",
)
DAY_SHARED = _action(
    "a_split_and_a_dividend_share_a_day",
    "no split and dividend of a security take effect on one day: whether the cash is of an old or"
    " a new share is not listed",
)

DIVIDENDS_USABLE = _universe(
    "dividends_are_usable", "every row of the vendor's answers is a dividend, or the double of one"
)
DIVIDEND_DATES_ORDERED = _universe(
    "dividend_dates_are_ordered",
    "no dividend is declared after its ex-date, or paid before its record date",
    repair=LOOK,
)
DIVIDENDS_ALIKE = _action(
    "dividends_resemble_the_ones_before",
    "no regular dividend is over five times, or under a fifth of, the median of the last four, in"
    " shares of one day",
)
DIVIDENDS_COUNTED = _universe(
    "dividends_are_as_many_as_usual",
    "a month has from three quarters to one and a half times the dividends of the same month a year"
    " before (of 100 at least)",
)

BARS_LISTED = _universe(
    "bars_have_a_listing",
    "once listings are built, a symbol has one on every day on which it has a bar",
)
IDENTITY_KNOWN = _universe(
    "identity_is_known",
    "over twenty loaded sessions or more, at most 3 % of the bars of the universe's types have a"
    " listing that is unknown",
    repair=f"{UNKNOWN} or {ANCHORS}",
)
IDENTIFIER_SINGLE = _universe(
    "one_identifier_one_security",
    "no two securities bear one share class FIGI on a day",
    repair=ANCHORS,
)
RENAMES_CONTINUOUS = _universe(
    "renames_keep_the_price",
    "no price moves by a factor of 1.5 where a security takes another symbol, without a split or a"
    " dividend",
    repair=LOOK,
)
LISTINGS_APART = _universe(
    "listings_do_not_overlap",
    "no symbol and no security has two listings on a day",
    severity=Severity.ERROR,
    repair=LOOK,
)

RULES = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
"""All of them, in the order in which they are shown."""
