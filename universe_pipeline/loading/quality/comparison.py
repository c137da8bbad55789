"""Sampled symbols against the vendor: their bars another way, adjusted ones, and its factors."""

import random
from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.actions.verdicts import applied
from universe_pipeline.adapters.postgres.bars.reading import covered_symbols, symbol_bars
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.session_states import states
from universe_pipeline.adapters.postgres.reference.splits import stored_splits
from universe_pipeline.domain.bars import DATED_BAR_SCHEMA, Bars, Failed
from universe_pipeline.domain.errors import FailureKind, VendorError
from universe_pipeline.domain.quality.factors import factor_differences
from universe_pipeline.domain.quality.findings import Finding, Violation, listed
from universe_pipeline.domain.quality.rules import (
    ADJUSTED_AGREE,
    ENDPOINTS_AGREE,
    FACTORS_AGREE,
)
from universe_pipeline.domain.quality.sources import differences, misadjusted
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.verdicts import Kind
from universe_pipeline.loading.progress import Step, report

REQUESTS_A_SYMBOL = 4
"""The bars as traded, the adjusted ones, and the factors of splits and of dividends."""


def draw_symbols(connection: Connection, size: int, seed: int) -> list[str]:
    """Up to `size` symbols of the universe that have bars; the same for the same seed."""
    symbols = covered_symbols(connection)
    return random.Random(seed).sample(symbols, min(size, len(symbols)))  # noqa: S311  # no secret


def compare(
    client: PolygonClient,
    connection: Connection,
    symbols: Sequence[str],
    sessions: Sequence[date],
    today: date,
) -> list[Finding]:
    """Compare every stored bar of `symbols` on `sessions` with the vendor's, also adjusted.

    The vendor's own factors are compared with the verdicts, where the plan has them.

    Args:
        client: the vendor.
        connection: the stored bars.
        symbols: which.
        sessions: in order.
        today: in New York; splits after it are not applied yet.
    """
    splits = stored_splits(connection)
    different: list[Violation] = []
    unadjusted: list[Violation] = []
    misfactored: list[Violation] = []
    report(Step("compared", 0, len(symbols)))
    for done, symbol in enumerate(symbols, start=1):
        stored = symbol_bars(connection, symbol, sessions)
        try:
            theirs = _asked(client, symbol, sessions, adjusted=False)
            adjusted = _asked(client, symbol, sessions, adjusted=True)
        except VendorError as error:
            different.append(Violation(sessions[0], symbol, f"could not be compared: {error}"))
        else:
            expected = _expected(connection, sessions, stored, theirs)
            different += differences(stored, expected)
            own = splits.filter(pl.col("symbol") == symbol)
            unadjusted += misadjusted(stored, adjusted, own, today)
        misfactored += _misfactored(client, connection, symbol)
        report(Step("compared", done, len(symbols), symbol))
    return [
        listed(ENDPOINTS_AGREE, different),
        listed(ADJUSTED_AGREE, unadjusted),
        listed(FACTORS_AGREE, misfactored),
    ]


def _misfactored(client: PolygonClient, connection: Connection, symbol: str) -> Iterator[Violation]:
    """The actions of a symbol of which the vendor has other factors; none where it has no list."""
    asked = ((Kind.SPLIT, client.split_factors), (Kind.DIVIDEND, client.dividend_factors))
    for kind, ask in asked:
        try:
            given = pl.concat(page.frame for page in ask(symbol))
        except VendorError as error:
            if error.kind not in _NOT_LISTED:
                yield Violation(None, symbol, f"{kind} factors could not be compared: {error}")
        else:
            mine = applied(connection, kind, symbol)
            yield from factor_differences(symbol, kind, given, mine)


_NOT_LISTED = (FailureKind.NOT_ENTITLED, FailureKind.OUTSIDE_PLAN, FailureKind.NOT_FOUND)


def _asked(
    client: PolygonClient, symbol: str, sessions: Sequence[date], *, adjusted: bool
) -> pl.DataFrame:
    answer = client.symbol_daily(symbol, sessions[0], sessions[-1], adjusted=adjusted)
    if isinstance(answer, Failed):
        raise answer.error
    return answer.frame if isinstance(answer, Bars) else DATED_BAR_SCHEMA.to_frame()


def _expected(
    connection: Connection, sessions: Sequence[date], stored: pl.DataFrame, theirs: pl.DataFrame
) -> pl.DataFrame:
    """The vendor's bars that should be stored: of loaded sessions, and of those that are."""
    loaded = [
        day
        for day, each in states(connection, sessions).items()
        if each.status is SessionStatus.LOADED
    ]
    return theirs.filter(pl.col("date").is_in([*loaded, *stored["date"].to_list()]))
