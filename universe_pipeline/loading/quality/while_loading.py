"""Judging the bars of a load while it goes on, instead of reading them back when it has ended.

What is judged is what was stored: the accepted rows of an answer are all bars of a session that had
none before. To let the server pack them again takes it a third of the time of storing them.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import numpy as np
import polars as pl

from universe_pipeline.adapters.machine import give_back
from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.bars.writing import EncodedSession
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import Version
from universe_pipeline.adapters.postgres.coverage.streaks import Bars
from universe_pipeline.adapters.postgres.quality import context
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.presence import Presence
from universe_pipeline.domain.quality.rules import COUNTS_KEPT
from universe_pipeline.domain.quality.scan import Scan
from universe_pipeline.domain.quality.sessions import Stored
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.decoding import DecodingWorker
from universe_pipeline.loading.quality.stored import context_of, unapproved
from universe_pipeline.loading.sessions import Fetched, Outcome

logger = logging.getLogger("universe_pipeline.judging")

_AT_ONCE = 6
"""Sessions that are judged at once: of fewer each takes longer, and more take memory."""

_GIVE_BACK_EVERY = 4
"""Batches after which free memory is given back: to get it again takes time, too."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A session that has been stored, or that only some symbols were asked for."""

    session: date
    bars: pl.DataFrame
    """`BAR_SCHEMA`."""
    stored: Stored | None = None
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_REJECTED))


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of the sessions of a load, for as long as they are stored as they were."""

    _versions: Mapping[date, Version]
    _findings: Future[list[Finding]]
    _presence: Presence

    def findings(self, connection: Connection, sessions: Sequence[date]) -> list[Finding] | None:
        """What all rules for bars found in `sessions`; None where they have to be read.

        Because others are stored by now, or because judging them failed.
        """
        if not self._versions:
            return None
        if failed := self._findings.exception():
            logger.warning("judging while loading failed, the bars are read instead: %r", failed)
            return None
        known = context.stored_loads(connection)
        stored = {day: known[day] for day in sessions if day in known}
        if {day: (one.content_hash, one.stored) for day, one in stored.items()} != self._versions:
            return None
        # How many bars of new sessions were stored is the server's own count.
        return unapproved([*self._findings.result(), Finding(COUNTS_KEPT)], known)

    def bars(self, versions: Mapping[date, Version]) -> Bars | None:
        """The symbols that have a bar on these days; None where they have to be read."""
        if self._findings.exception() or not versions.items() <= self._versions.items():
            return None
        return self._presence.of(list(versions))


class StreamingJudge:
    """Judges the sessions of a load as they are given to it, some at once.

    In the thread that decodes, where it takes turns with that: both at once would take the memory
    of both, and be no sooner done.
    """

    def __init__(
        self,
        connection: Connection,
        worker: DecodingWorker,
        sessions: Sequence[date],
        thresholds: Thresholds,
    ) -> None:
        """Read what bars are compared with, and those of the sessions before.

        Args:
            connection: to read them.
            worker: judges, and decodes the answers.
            sessions: those that are going to be stored, in order; nothing of them is stored yet.
            thresholds: the figures that decide.
        """
        known = context.stored_loads(connection)
        reference = context.reference(connection, known, sessions[0], sessions[-1])
        self._scan = Scan(reference, thresholds)
        if before := context_of(sessions[0], known):
            self._scan.remember(packed.read(connection, before.start, before.end).bars)
        self._worker = worker
        self._versions: dict[date, Version] = {}
        self._is_in_order = True
        self._newest: date | None = None
        self._waiting: list[_Seen] = []
        self._judging: Future[None] | None = None
        """The newest batch; after one that failed there is no other."""
        self._batches = 0

    def take(self, connection: Connection, given: Fetched, outcome: Outcome) -> None:
        """Judge a session that has just been stored, if it was, some time from now.

        After one that is out of order none is judged: all have to be read.
        """
        answer, write, session = given.answer, outcome.write, outcome.session
        if not isinstance(answer, EncodedSession) or write is None or write.status is None:
            self._take_by_symbol(connection, session)
            return
        if not self._goes_on(session):
            return
        self._versions[session] = answer.content_hash, write.stored
        stored = Stored(
            session,
            outcome.state is SessionStatus.LOADED,
            write.stored + write.rejected,
            write.rejected,
        )
        if outcome.is_whole and given.bars is not None:
            bars = given.bars
        else:
            bars = packed.read(connection, session, session).bars.drop("date")
        symbols = [row.symbol for row in answer.rejected if row.symbol is not None]
        rejected = pl.DataFrame({"date": [session] * len(symbols), "symbol": symbols}, _REJECTED)
        self._wait(_Seen(session, bars, stored, rejected))

    def _take_by_symbol(self, connection: Connection, session: date) -> None:
        """Judge the bars that single symbols have in a session which is not stored."""
        bars = packed.read(connection, session, session).bars.drop("date")
        if bars.height and self._goes_on(session):
            self._wait(_Seen(session, bars))

    def _goes_on(self, session: date) -> bool:
        self._is_in_order &= session >= (self._newest or session)
        self._newest = session
        if not self._is_in_order:
            self._versions, self._waiting = {}, []
        return self._is_in_order

    def _wait(self, seen: _Seen) -> None:
        self._waiting.append(seen)
        if len(self._waiting) == _AT_ONCE:
            self._judge_waiting()

    def _judge_waiting(self) -> None:
        """Judge what waits, after what is being judged: more than that would take memory."""
        if self._judging is None or self._judging.exception() is None:
            self._judging = self._worker.later(partial(self._judge, self._waiting))
        self._waiting = []

    def _judge(self, batch: list[_Seen]) -> None:
        for one in batch:
            if one.stored:
                self._scan.include(one.stored, one.rejected)
        sessions = [one.session for one in batch if one.stored]
        heights = [one.bars.height for one in batch]
        days = np.repeat(np.array([one.session for one in batch], "M8[D]"), heights)
        bars = pl.concat([one.bars for one in batch])
        self._scan.judge(pl.DataFrame([pl.Series("date", days), *bars]), sessions)
        if self._batches % _GIVE_BACK_EVERY == 0:
            give_back()
        self._batches += 1

    def judged(self) -> Judged:
        """What is found of all that was given, when the rest of it has been judged."""
        if self._waiting:
            self._judge_waiting()
        findings = self._worker.later(partial(self._findings, self._judging))
        return Judged(self._versions, findings, self._scan.presence)

    def _findings(self, judging: Future[None] | None) -> list[Finding]:
        if judging:
            judging.result()
        return self._scan.findings()


_REJECTED = {"date": pl.Date, "symbol": pl.String}
