"""Verdicts: which corporate actions the prices confirm, and on which day each takes effect.

Lists of actions have faults: a split stands under a wrong day or twice, a dividend is a
hundredfold. An action changes adjusted prices only as its verdict says, so that no fault makes a
jump where the bars as traded have none.

A split is compared with the open of its execution date over the close before (`observed`), which
are `expected` to have the ratio `split_from / split_to`. A dividend is usually smaller than a day's
move: prices neither confirm nor refute it, and it is believed. Only cash over three usual moves is
compared, with the close before less the cash, over that close.

Pure: actions and the bars around them in, verdicts out.
"""

from datetime import date
from enum import StrEnum

import polars as pl

from universe_pipeline.domain.sessions import all_sessions
from universe_pipeline.domain.tables import Role, frame_schema


class Kind(StrEnum):
    """What a corporate action is."""

    SPLIT = "split"
    DIVIDEND = "dividend"
    """All dividends of one symbol and ex-date together."""


class Verdict(StrEnum):
    """What prices and listings say about an action; `multiplier` says whether it is applied."""

    VERIFIED = "verified"
    """The split: the price moved by it on its day."""
    USABLE = "usable"
    """The dividend: nothing speaks against it."""
    TOO_SMALL = "too_small"
    """The split is smaller than three usual moves, and applied without a test."""
    NO_PRICE = "no_price"
    """No bar shortly before, or none after. A split is applied; a dividend cannot be."""
    CONTRADICTED = "contradicted"
    """The price did not move on its day, and on exactly one near session it did: applied there."""
    DOUBTFUL = "doubtful"
    """The price moved on no near session, or on several: applied only where the owner says so."""
    TWIN = "twin"
    """The same action stands in the list under another day or symbol, too: not applied again."""
    FOREIGN_CURRENCY = "foreign_currency"
    """The dividend is not paid in USD: not applied."""
    NOT_BELOW_PRICE = "not_below_price"
    """The dividend is not less than the close before: not applied."""
    ANNOUNCED = "announced"
    """Its day has not come: not applied."""
    UNASSIGNED = "unassigned"
    """No listing says which security it belongs to: not applied."""
    REMOVED = "removed"
    """The owner removed it: not applied."""


CONFIRMED = (Verdict.VERIFIED, Verdict.USABLE)
"""Verdicts that need no look."""

UNAPPLIED = (
    Verdict.NO_PRICE,
    Verdict.DOUBTFUL,
    Verdict.FOREIGN_CURRENCY,
    Verdict.NOT_BELOW_PRICE,
    Verdict.UNASSIGNED,
)
"""Verdicts on past actions that may be true; where such a one is not applied, prices have a gap."""

ACTION_SCHEMA = pl.Schema(
    {
        "kind": pl.String,
        "symbol": pl.String,
        "action_date": pl.Date,
        "security_id": pl.Int64,
        "series": pl.Int64,
        "split_from": pl.Float64,
        "split_to": pl.Float64,
        "cash": pl.Float64,
        "removed": pl.Boolean,
        "by_owner": pl.Boolean,
        "wanted": pl.Boolean,
    }
)
"""Actions to judge. `series` numbers the security (or, before there are listings, the symbol) whose
bars count, and is null where no listing says which. `cash` is the sum of the day's differing rows
in USD, a share of the day's own; null where no row is in USD. An action `by_owner` takes effect
on its day though prices do not show it. One that is not `wanted` is only compared with others."""

BAR_SCHEMA = pl.Schema(
    {"series": pl.Int64, "date": pl.Date, "open": pl.Float64, "close": pl.Float64}
)
"""Bars as traded, one a series and date."""

VERDICT_SCHEMA = frame_schema("action_verdicts", Role.KEY, Role.VALUE)

BEFORE = 10
"""A bar at most so many sessions before an action holds the price before it."""
SEARCHED = 20
"""So many sessions around an action its move is looked for."""
USUAL, LEAST_KNOWN = 20, 5
"""So many bars before an action say what its security usually moves; with fewer moves than the
second, nothing does."""
LEAST_TESTED = 0.02
"""A smaller action lies within three usual moves of even the calmest security."""
DAYS_BEFORE, DAYS_AFTER = 65, 31
"""Days around an action that hold the bars which its test may need."""

_TIMES = 3.0
_TOLERANCE = 0.2
_LEAST_MOVE, _UNKNOWN_MOVE = LEAST_TESTED / _TIMES, 0.03
_SIGMA = 1.4826
"""The standard deviation of normal moves over their median size."""


def judge(actions: pl.DataFrame, bars: pl.DataFrame, today: date) -> pl.DataFrame:
    """Judge actions by the bars around them.

    Args:
        actions: `ACTION_SCHEMA`; also all actions that lie near a wanted one in its series.
        bars: `BAR_SCHEMA`, from `DAYS_BEFORE` an action to `DAYS_AFTER` it; of a dividend under
            `LEAST_TESTED` of the price, the last bar before it is enough.
        today: the day in New York.

    Returns:
        `VERDICT_SCHEMA`, a row for each wanted action.
    """
    history = _history(bars)
    placed = _placed(actions, "action_date").with_columns(_known(today))
    splits = _judged_splits(_priced(placed.filter(kind=Kind.SPLIT), history), history)
    dividends = _priced(placed.filter(kind=Kind.DIVIDEND), history)
    judged = [splits, _judged_dividends(dividends, history, splits)]
    return pl.concat(each.filter("wanted").select(VERDICT_SCHEMA.names()) for each in judged)


def _placed(frame: pl.DataFrame, day: str) -> pl.DataFrame:
    """With `place`: the number of the first session from the day on."""
    sessions = pl.Series(all_sessions(), dtype=pl.Date)
    return frame.with_columns(place=sessions.search_sorted(frame[day], "left").cast(pl.Int64))


def _history(bars: pl.DataFrame) -> pl.DataFrame:
    """Bars with `before` (the close before, where it is near), `gap` to the open, `usual` move.

    `usual` is a robust standard deviation of the moves up to the bar; `gap` and moves are
    logarithms.
    """
    ordered = _placed(bars.sort("series", "date"), "date").with_columns(
        _left=pl.col("place").shift().over("series"), _close=pl.col("close").shift().over("series")
    )
    near = ordered.with_columns(
        before=pl.when(pl.col("place") - pl.col("_left") <= BEFORE).then("_close")
    )
    move = (pl.col("close") / pl.col("before")).log().abs()
    median = move.rolling_median(USUAL, min_samples=LEAST_KNOWN).over("series")
    sigma = (_SIGMA * median).fill_null(_UNKNOWN_MOVE)
    return near.with_columns(
        gap=(pl.col("open") / pl.col("before")).log(),
        usual=pl.max_horizontal(sigma, _LEAST_MOVE),
    ).drop("_left", "_close")


def _known(today: date) -> pl.Expr:
    """The verdict that needs no price, as `verdict`; null where prices decide."""
    verdict = (
        pl.when("removed")
        .then(pl.lit(Verdict.REMOVED))
        .when(pl.col("action_date") > today)
        .then(pl.lit(Verdict.ANNOUNCED))
        .when((pl.col("kind") == Kind.DIVIDEND) & pl.col("cash").is_null())
        .then(pl.lit(Verdict.FOREIGN_CURRENCY))
        .when(pl.col("series").is_null())
        .then(pl.lit(Verdict.UNASSIGNED))
        .when(~pl.struct(_SAME).is_first_distinct())
        .then(pl.lit(Verdict.TWIN))
    )
    return verdict.alias("verdict")


_SAME = ["kind", "series", "action_date", "split_from", "split_to", "cash", "removed"]
"""Where actions agree in these, the symbols of one security both list an action."""


def _priced(actions: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """With the close before an action (`price`), the `usual` move, and the `open` after it."""
    before = history.select("series", "place", usual="usual", price="close")
    after = history.select("series", "place", "open", on=pl.col("place"))
    return (
        actions.sort("place")
        .join_asof(
            before.sort("place"),
            on="place",
            by="series",
            strategy="backward",
            tolerance=BEFORE,
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .join_asof(
            after.sort("place"),
            on="place",
            by="series",
            strategy="forward",
            tolerance=SEARCHED,
            check_sortedness=False,
        )
    )


def _judged_splits(splits: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """The splits with their verdicts."""
    tested = splits.with_columns(
        expected=pl.col("split_from") / pl.col("split_to"),
        observed=pl.col("open") / pl.col("price"),
    ).with_columns(_verdict_by_price().alias("verdict"))
    verified = tested.filter(verdict=Verdict.VERIFIED)
    doubted = tested.filter(pl.col("verdict").is_null())
    listed = doubted.filter(~pl.col("by_owner"))
    twins = _near(listed, verified, "expected").with_columns(verdict=pl.lit(Verdict.TWIN))
    others = doubted.join(twins, on=_KEY, how="anti")
    free = history.join(
        verified, left_on=["series", "place"], right_on=["series", "on"], how="anti"
    )
    moved = _only_move(others, free, _follows(pl.col("gap")))
    found = others.join(moved, on=_KEY, how="left").with_columns(
        verdict=pl.when(pl.col("applied_on").is_null())
        .then(pl.lit(Verdict.DOUBTFUL))
        .when(pl.struct("series", "applied_on", "expected").is_first_distinct())
        .then(pl.lit(Verdict.CONTRADICTED))
        .otherwise(pl.lit(Verdict.TWIN))
    )
    settled = tested.filter(pl.col("verdict").is_not_null())
    judged = pl.concat([settled, twins, found], how="diagonal")
    return _applied(judged, _APPLIED_SPLITS, pl.col("split_to") / pl.col("split_from"))


_KEY = ["kind", "symbol", "action_date"]
_ON_ITS_DAY = (Verdict.VERIFIED, Verdict.TOO_SMALL, Verdict.NO_PRICE)
_APPLIED_SPLITS = (*_ON_ITS_DAY, Verdict.CONTRADICTED)
_APPLIED_DIVIDENDS = (Verdict.USABLE, Verdict.CONTRADICTED)


def _verdict_by_price() -> pl.Expr:
    """The verdict on a split; null where the price did not follow it."""
    return (
        pl.when(pl.col("verdict").is_not_null())
        .then("verdict")
        .when(pl.col("observed").is_null())
        .then(pl.lit(Verdict.NO_PRICE))
        .when(pl.col("expected").log().abs() < _TIMES * pl.col("usual"))
        .then(pl.lit(Verdict.TOO_SMALL))
        .when(_follows(pl.col("observed").log()))
        .then(pl.lit(Verdict.VERIFIED))
    )


def _follows(move: pl.Expr) -> pl.Expr:
    """Whether a move is near to what a split makes, and nearer to it than to none."""
    off = (move - pl.col("expected").log()).abs()
    return (off <= pl.max_horizontal(_TIMES * pl.col("usual"), _TOLERANCE)) & (off < move.abs())


def _near(doubted: pl.DataFrame, verified: pl.DataFrame, value: str) -> pl.DataFrame:
    """The doubted actions that have a verified one of the same `value` near them."""
    others = verified.select("series", other_place="place", other=value)
    same = (pl.col(value) / pl.col("other") - 1).abs() < _ROUNDING
    apart = (pl.col("place") - pl.col("other_place")).abs()
    pairs = doubted.join(others, on="series").filter(same & (apart <= SEARCHED))
    return doubted.join(pairs, on=_KEY, how="semi")


_ROUNDING = 1e-9


def _only_move(doubted: pl.DataFrame, history: pl.DataFrame, follows: pl.Expr) -> pl.DataFrame:
    """The only near bar whose gap `follows` an action, where there is exactly one.

    Returns:
        The key of the action, `applied_on` (the bar's day) and `before` (the close before it).
    """
    moves = history.select("series", "gap", "before", moved="place", applied_on="date")
    near = (pl.col("moved") - pl.col("place")).abs() <= SEARCHED
    found = doubted.filter(~pl.col("by_owner")).join(moves, on="series")
    return (
        found.filter(near & (pl.col("moved") != pl.col("on")) & follows)
        .filter(pl.len().over(_KEY) == 1)
        .select(*_KEY, "applied_on", "before")
    )


def _judged_dividends(
    dividends: pl.DataFrame, history: pl.DataFrame, splits: pl.DataFrame
) -> pl.DataFrame:
    """The dividends with their verdicts."""
    executed = _executed(splits)
    tested = (
        dividends.join(executed, on=["series", "place"], how="left")
        .with_columns(ratio=pl.col("ratio").fill_null(1.0))
        .with_columns(
            expected=_without(pl.col("price"), pl.col("cash") * pl.col("ratio")),
            observed=pl.col("open") / pl.col("price") * pl.col("ratio"),
        )
        .with_columns(_verdict_on_dividend().alias("verdict"))
    )
    doubted = tested.filter(pl.col("verdict").is_null())
    taken = pl.concat([executed.select("series", "place"), tested.select("series", place="on")])
    free = history.join(taken, on=["series", "place"], how="anti")
    moved = _only_move(doubted, free, _drops())
    is_moved = pl.col("applied_on").is_not_null()
    found = doubted.join(moved, on=_KEY, how="left").with_columns(
        verdict=pl.when(~is_moved)
        .then(pl.lit(Verdict.DOUBTFUL))
        .when(pl.struct("series", "applied_on", "cash").is_first_distinct())
        .then(pl.lit(Verdict.CONTRADICTED))
        .otherwise(pl.lit(Verdict.TWIN)),
        expected=pl.when(is_moved)
        .then(_without(pl.col("before"), pl.col("cash")))
        .otherwise("expected"),
    )
    settled = tested.filter(pl.col("verdict").is_not_null())
    judged = pl.concat([settled, found], how="diagonal")
    return _applied(judged, _APPLIED_DIVIDENDS, 1 / pl.col("expected"))


def _executed(splits: pl.DataFrame) -> pl.DataFrame:
    """By `series` and `place`, the new shares for an old one (`ratio`) of applied splits."""
    applied = _placed(splits.filter(pl.col("applied_on").is_not_null()), "applied_on")
    return applied.group_by("series", "place").agg(ratio=pl.col("multiplier").product())


def _without(price: pl.Expr, cash: pl.Expr) -> pl.Expr:
    """The part of a price that is left without the cash."""
    return (price - cash) / price


def _verdict_on_dividend() -> pl.Expr:
    """The verdict on a dividend; null where the price did not drop by it as it must."""
    size = 1 - pl.col("expected")
    off = (pl.col("observed") / pl.col("expected")).log().abs()
    usual = _TIMES * pl.col("usual")
    is_large = size > pl.max_horizontal(usual, LEAST_TESTED)
    fails = is_large & (off > usual) & (off >= pl.col("observed").log().abs())
    return (
        pl.when(pl.col("verdict").is_not_null())
        .then("verdict")
        .when(pl.col("price").is_null())
        .then(pl.lit(Verdict.NO_PRICE))
        .when(pl.col("expected") <= 0)
        .then(pl.lit(Verdict.NOT_BELOW_PRICE))
        .when(~fails.fill_null(value=False))
        .then(pl.lit(Verdict.USABLE))
    )


def _drops() -> pl.Expr:
    """Whether a gap is near to what a dividend makes, and nearer to it than to none."""
    off = (pl.col("gap") - _without(pl.col("before"), pl.col("cash")).log()).abs()
    return (off <= _TIMES * pl.col("usual")) & (off < pl.col("gap").abs())


def _applied(
    judged: pl.DataFrame, verdicts: tuple[Verdict, ...], multiplier: pl.Expr
) -> pl.DataFrame:
    """With the day on which an action takes effect, and its factor; null where it does not."""
    is_word = pl.col("by_owner") & (pl.col("verdict") == Verdict.DOUBTFUL)
    is_applied = pl.col("verdict").is_in(verdicts) | is_word
    return judged.with_columns(
        applied_on=pl.when(is_applied).then(pl.coalesce("applied_on", "action_date")),
        multiplier=pl.when(is_applied).then(multiplier),
    )
