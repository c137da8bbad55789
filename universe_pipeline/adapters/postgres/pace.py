"""One pace for every process that shares the database, on the database's clock.

`request_slots` has as many rows as requests may be sent in a minute. A request takes the row that
is due first and sets it one minute ahead, so that no row is used twice within any minute. The
caller sleeps outside any transaction. A 429 to any process sets `request_pause`, which
all look at before they send; who had a turn in that time takes a new one. Without a limit, where a
look would be most of what a turn costs, one is good for a moment.

A process that is late with its request (it woke late, or waited for the database) moves its row on
by as much, so that the next request with that row keeps
its distance. A database clock that was set back leaves rows due far ahead: `set_at`, which then
lies ahead too, says how long they were meant to wait.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock
from typing import TypeVar

import psycopg

from universe_pipeline.adapters.postgres import hosts, liveness
from universe_pipeline.adapters.postgres.connecting.application import application_name
from universe_pipeline.adapters.postgres.connecting.patience import EXPLAIN_AFTER
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.adapters.postgres.holders import Holder, holders, paces
from universe_pipeline.adapters.postgres.ledger import daily_counters
from universe_pipeline.adapters.postgres.locks import URGENT
from universe_pipeline.adapters.tally import Tally
from universe_pipeline.domain.errors import DatabaseError
from universe_pipeline.domain.moments import Now

logger = logging.getLogger("universe_pipeline.pace")

Answer = TypeVar("Answer")

MINUTE = 60.5
"""Seconds until a slot is used again; the half second covers what sending delays differ by."""

GIVE_WAY = 0.5
"""Seconds after which who gives way looks again."""

LOOK_AGAIN = 0.25
"""Seconds for which unpaced clients assume that no other client got a 429."""

LATE = 0.25
"""Seconds by which a request may be late before its slot is moved on."""

_DUE = """
    CASE WHEN set_at > clock_timestamp() THEN clock_timestamp() + (due - set_at) ELSE due END
    """

_TAKE = f"""
    UPDATE request_slots AS taken SET
        due = greatest({_DUE}, clock_timestamp()) + make_interval(secs => %s),
        set_at = clock_timestamp()
    FROM (
        SELECT slot AS number, set_at > clock_timestamp() AS was_ahead
        FROM request_slots WHERE slot < %s
        ORDER BY {_DUE}, slot LIMIT 1 FOR UPDATE SKIP LOCKED
    ) next
    WHERE slot = number
    RETURNING slot, extract(epoch FROM due - make_interval(secs => %s) - clock_timestamp()),
              was_ahead
    """

_REBASE_SLOTS = f"""
    UPDATE request_slots SET due = {_DUE}, set_at = clock_timestamp()
    WHERE set_at > clock_timestamp()
    """

_MOVE_ON = "UPDATE request_slots SET due = due + make_interval(secs => %s) WHERE slot = %s"

_PAUSE = """
    SELECT extract(epoch FROM greatest(until - clock_timestamp(), '0')), set_at > clock_timestamp()
    FROM request_pause
    """

_REBASE_PAUSE = """
    UPDATE request_pause SET
        until = clock_timestamp() + (until - set_at), set_at = clock_timestamp()
    WHERE set_at > clock_timestamp()
    """

_BACK_OFF = f"""
    WITH paused AS (
        INSERT INTO request_pause AS known (id, until, set_at)
        VALUES (1, clock_timestamp() + make_interval(secs => %(seconds)s), clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET
            until = greatest(known.until, excluded.until), set_at = excluded.set_at
    )
    UPDATE request_slots SET
        due = greatest({_DUE}, clock_timestamp() + make_interval(secs => %(seconds)s)),
        set_at = clock_timestamp()
    """


@dataclass(frozen=True, slots=True)
class _Turn:
    """A slot that was taken, and when its request is due on this process's monotonic clock."""

    slot: int
    due: float


class SharedPace:
    """At most `per_minute` requests in any minute, over all processes; 0 = no such limit.

    With it or without, this process sends at most `per_second` a second, evenly. Thread-safe. It
    keeps one connection, and opens it again when the database was restarted.
    """

    def __init__(
        self,
        database: Database,
        per_minute: int,
        *,
        per_second: int | None = None,
        urgent: bool = False,
    ) -> None:
        """Ask for nothing yet.

        Args:
            database: where all who share the pace meet.
            per_minute: most requests; 0 = no limit over all processes, only 429s are heeded.
            per_second: most of this process; None = no limit.
            urgent: go before everybody who is not, as long as this is open.
        """
        self._database, self._per_minute, self._urgent = database, per_minute, urgent
        self._own_spacing = 1 / per_second if per_second else 0.0
        self._next_due = 0.0
        self._connection: psycopg.Connection | None = None
        self._lock = Lock()
        self._closed = Event()
        self._free_until = 0.0
        self._urgency: liveness.Hold | None = None
        self._explained = ""

    @property
    def spacing(self) -> float:
        """Least seconds from one request of this process to the next, in the mean."""
        shared = 60 / self._per_minute if self._per_minute else 0.0
        return max(shared, self._own_spacing)

    def wait(self) -> None:
        """Return when one request may be sent.

        Raises:
            CancelledError: the pace was closed; nothing more is to be sent.
            psycopg.OperationalError: the database is gone.
        """
        while True:
            if self._own_spacing:
                self._sleep_until(self._own_turn())
            turn = self._await_turn() if self._per_minute else None
            pause = self._pause()
            if pause > 0:
                self._sleep(pause)
            elif turn is None or self._is_in_time(turn):
                return

    def back_off(self, seconds: float) -> None:
        """The vendor answered 429: no client sends for that long."""
        with self._lock:
            self._free_until = 0.0
            self._asked(lambda database: database.execute(_BACK_OFF, {"seconds": seconds}))

    def store(self, tally: Tally, now: Now) -> None:
        """Store what is left of the counts of its requests; they are lost where the database is."""
        with self._lock, suppress(psycopg.Error, DatabaseError):
            if self._connection is not None and not self._connection.closed:
                daily_counters.store(self._connection, tally, now(), at_once=True)

    def close(self) -> None:
        """Wake the waiting threads, and give the connection back."""
        self._closed.set()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            if self._urgency is not None:
                self._urgency.release()

    def _await_turn(self) -> _Turn:
        """Take a turn and wait for it."""
        turn = self._take()
        if turn.due - time.monotonic() > EXPLAIN_AFTER:
            self._explain("the next request waits: the pace is shared with", _others)
        self._sleep_until(turn.due)
        return turn

    def _is_in_time(self, turn: _Turn) -> bool:
        """Move a late turn's slot on by as much; False if it is so late that another is needed."""
        late = time.monotonic() - turn.due
        if late > LATE:
            with self._lock:
                self._asked(lambda database: database.execute(_MOVE_ON, (late, turn.slot)))
        return late < MINUTE / 2

    def _own_turn(self) -> float:
        """When the next request of this process is due, by the monotonic clock."""
        with self._lock:
            due = max(time.monotonic(), self._next_due)
            self._next_due = due + self._own_spacing
        return due

    def _sleep(self, seconds: float) -> None:
        self._sleep_until(time.monotonic() + seconds)

    def _sleep_until(self, due: float) -> None:
        while (left := due - time.monotonic()) > 0:
            if self._closed.wait(left):
                raise CancelledError

    def _pause(self) -> float:
        with self._lock:
            if time.monotonic() < self._free_until and not self._closed.is_set():
                return 0.0
            pause = self._asked(_pause_left)
            if not self._per_minute and pause <= 0:
                self._free_until = time.monotonic() + LOOK_AGAIN
        return pause

    def _take(self) -> _Turn:
        """Take a turn, once no other process is urgent."""
        given = (MINUTE, self._per_minute, MINUTE)
        began = time.monotonic()
        while True:
            with self._lock:
                gives_way = self._asked(self._gives_way)
                if not gives_way:
                    turn = self._asked(partial(_take, given=given))
                    if turn is not None:
                        return turn
            if gives_way and time.monotonic() - began > EXPLAIN_AFTER:
                self._explain("requests wait: urgent ones go first, of", _urgent)
            # Otherwise other processes are taking every slot at this instant.
            self._sleep(GIVE_WAY if gives_way else 0.01)

    def _explain(self, why: str, others: Callable[[psycopg.Connection], list[Holder]]) -> None:
        """Log which processes a wait is for, where they are others than before."""
        with self._lock:
            named = "; ".join(str(one) for one in self._asked(others))
        if named and named != self._explained:
            logger.info("%s %s", why, named)
        self._explained = named

    def _gives_way(self, database: psycopg.Connection) -> bool:
        return not self._urgent and liveness.is_held(database, URGENT)

    def _asked(self, ask: Callable[[psycopg.Connection], Answer]) -> Answer:
        try:
            return ask(self._ready())
        except psycopg.OperationalError:  # only its use shows that a connection is lost
            return ask(self._ready())

    def _ready(self) -> psycopg.Connection:
        if self._closed.is_set():
            raise CancelledError
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = self._database.open(application_name(self._per_minute))
            self._connection.execute(
                "INSERT INTO request_slots (slot, due)"
                " SELECT n, '-infinity' FROM generate_series(0, %s - 1) n"
                " ON CONFLICT DO NOTHING",
                (self._per_minute,),
            )
            hosts.record(self._connection, self._per_minute)
            if self._urgent and self._urgency is None:
                self._urgency = liveness.Hold(self._database, URGENT, shared=True)
        return self._connection


def _urgent(database: psycopg.Connection) -> list[Holder]:
    return holders(database, [URGENT])


def _others(database: psycopg.Connection) -> list[Holder]:
    """Other processes with a pace."""
    return [one for one in paces(database) if not one.application.is_here]


def _pause_left(database: psycopg.Connection) -> float:
    """Seconds of quiet that a 429 still asks for."""
    while True:
        row = database.execute(_PAUSE).fetchone()
        if row is None or not row[1]:
            return float(row[0]) if row else 0.0
        database.execute(_REBASE_PAUSE)


def _take(database: psycopg.Connection, given: tuple[float, int, float]) -> _Turn | None:
    """Take the slot that is due first; None while every slot is being taken."""
    row = database.execute(_TAKE, given).fetchone()
    if row is None:
        return None
    slot, seconds, was_ahead = row
    turn = _Turn(slot, time.monotonic() + float(seconds))  # read after it was given: not too early
    if was_ahead:
        database.execute(_REBASE_SLOTS)  # the others too: each look would begin their wait again
    return turn
