"""Judging the bars of a load while it goes on, instead of reading them back when it has ended.

What is judged is what was stored: the accepted rows of an answer are all bars of a session that had
none before. To let the server pack them again takes it a third of the time of storing them.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Self

import polars as pl

from universe_pipeline.adapters.postgres import judging, packed
from universe_pipeline.adapters.postgres.bars import EncodedSession
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.rules import COUNTS_KEPT
from universe_pipeline.domain.quality.scan import Scan
from universe_pipeline.domain.quality.sessions import Stored
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.judging import context_of, unapproved
from universe_pipeline.loading.sessions import Fetched, Outcome

_AT_ONCE = 12
"""Sessions that are judged at once: of fewer each takes longer, and more take memory."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A session that has been stored."""

    stored: Stored
    bars: pl.DataFrame
    """`DATED_BAR_SCHEMA`."""
    rejected: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of the sessions of a load, for as long as they are stored as they were."""

    _versions: Mapping[date, tuple[str, int]]
    _findings: Future[list[Finding]]

    def findings(self, connection: Connection, sessions: Sequence[date]) -> list[Finding] | None:
        """What all rules for bars found in `sessions`; None where others are stored by now."""
        known = judging.stored_loads(connection)
        stored = {day: known[day] for day in sessions if day in known}
        if {day: (one.content_hash, one.stored) for day, one in stored.items()} != self._versions:
            return None
        # A session counts the rows that were stored in the same transaction.
        return unapproved([*self._findings.result(), Finding(COUNTS_KEPT)], known)


class StreamingJudge:
    """Judges the sessions of a load, in a thread of its own, as they are given to it.

    A context manager; after an error nothing more is judged.
    """

    def __init__(
        self, connection: Connection, sessions: Sequence[date], thresholds: Thresholds
    ) -> None:
        """Read what bars are judged beside, and those of the sessions before.

        Args:
            connection: to read them.
            sessions: those that are going to be stored, in order; nothing of them is stored yet.
            thresholds: the figures that decide.
        """
        known = judging.stored_loads(connection)
        reference = judging.reference(connection, known, sessions[0], sessions[-1])
        self._scan = Scan(reference, thresholds)
        if before := context_of(sessions[0], known):
            self._scan.remember(packed.read(connection, before.start, before.end).bars)
        self._versions: dict[date, tuple[str, int]] = {}
        self._waiting: list[_Seen] = []
        self._batches: list[Future[None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=False, cancel_futures=error is not None)

    def take(self, connection: Connection, given: Fetched, outcome: Outcome) -> None:
        """Judge a session that has just been stored, if it was, some time from now.

        Out of order it is not judged, and neither are then the sessions as a whole.
        """
        answer, write = given.answer, outcome.write
        if not isinstance(answer, EncodedSession) or write is None or write.status is None:
            return
        session = outcome.session
        if session < next(reversed(self._versions), session):
            return
        self._versions[session] = answer.content_hash, write.stored
        stored = Stored(
            session, outcome.state == "loaded", write.stored + write.rejected, write.rejected
        )
        if outcome.is_whole and given.bars is not None:
            bars = given.bars.select(pl.lit(session).alias("date"), pl.all())
        else:
            bars = packed.read(connection, session, session).bars
        symbols = [row.symbol for row in answer.rejected if row.symbol is not None]
        rejected = pl.DataFrame({"date": [session] * len(symbols), "symbol": symbols}, _REJECTED)
        self._waiting.append(_Seen(stored, bars, rejected))
        if len(self._waiting) == _AT_ONCE:
            self._judge_waiting()

    def _judge_waiting(self) -> None:
        wait(self._batches[-1:])  # what waits takes memory
        self._batches.append(self._thread.submit(self._judge, self._waiting))
        self._waiting = []

    def _judge(self, batch: list[_Seen]) -> None:
        for one in batch:
            self._scan.include(one.stored, one.rejected)
        bars = pl.concat([one.bars for one in batch])
        self._scan.judge(bars, [one.stored.session for one in batch])

    def judged(self) -> Judged:
        """What is found of all that was given, when the rest of it has been judged."""
        if self._waiting:
            self._judge_waiting()
        return Judged(self._versions, self._thread.submit(self._findings))

    def _findings(self) -> list[Finding]:
        for batch in self._batches:
            batch.result()
        return self._scan.findings()


_REJECTED = {"date": pl.Date, "symbol": pl.String}
