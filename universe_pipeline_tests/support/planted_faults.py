"""Bars that break a rule, and their neighbours that just keep it, for a vendor to send.

A symbol `BAD.…` breaks one rule, `OK.…` is its neighbour. Both have a bar in every session, with
what differs of a calm one.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from universe_pipeline.simulator.server import SimulatedVendor

Row = dict[str, Any]
"""A bar in the vendor's names."""

ABSENT: Row = {"absent": True}


def calm(n: int) -> Row:
    """An unremarkable bar."""
    close = 10.0 + n % 2 / 10
    return {
        "o": close,
        "h": close + 0.2,
        "l": close - 0.2,
        "c": close,
        "v": 1000,
        "vw": close,
        "n": 9,
    }


def at(close: float, **changes: Any) -> Row:
    """A bar around a close."""
    return {"o": close, "h": close, "l": close, "c": close, "vw": close, **changes}


def usually(bars: Mapping[int, Row] | None = None, **usual: Any) -> dict[int, Row]:
    """Every session's difference is `usual`, and in some also that of `bars`."""
    return {n: {**usual, **(bars or {}).get(n, {})} for n in range(SESSIONS)}


SESSIONS = 60
IDLE = at(10.0, v=0, n=None, vw=None)
"""Without a trade, and with the close before where the session's number is odd."""

CENTS = {n: at(0.012 + n % 2 / 1000) for n in range(SESSIONS)}

SERIES: Mapping[str, Mapping[int, Row]] = {
    "BAD.VWAP": {25: {"vw": 10.6}},
    "OK.VWAP": {25: {"vw": 10.4}},
    "BAD.WICK": {25: {"h": 20.3}},
    "OK.WICK": {25: {"h": 20.1}},
    "BAD.SIZE": CENTS | {25: at(0.0095)},
    "OK.SIZE": CENTS,
    "BAD.WHOLE": {25: {"v": 1000.5}},
    "OK.WHOLE": {25: {"v": 1001.0}},
    "BAD.TRADES": {25: {"n": 0}},
    "OK.TRADES": usually({25: IDLE}, v=5),
    "BAD.GAP": usually({25: ABSENT, 26: ABSENT}, v=1e9),
    "OK.GAP": usually({25: IDLE}, v=5),
    "BAD.STILL": {n: at(11.0) for n in range(25, 30)},
    "OK.STILL": {n: at(11.0) for n in range(25, 29)},
    "BAD.VOLUME": {25: {"v": 25_000}},
    "OK.VOLUME": {25: {"v": 15_000}},
    "BAD.CARRIED": usually({25: IDLE | at(10.4, vw=None)}, v=5),
    "OK.CARRIED": usually({25: IDLE}, v=5),
    "BAD.JUMP": {n: at(17.0 + n % 2) for n in range(25, SESSIONS)},
    "OK.JUMP": {n: at(14.8 + n % 2 / 10) for n in range(25, SESSIONS)},
    "BAD.SPLIT": {n: at(5.05 + n % 2 / 10) for n in range(25, SESSIONS)},
    "OK.SPLIT": {n: at(7.7 + n % 2 / 10) for n in range(25, SESSIONS)},
    "BAD.SHOWN": {},
    "OK.SHOWN": {n: at(1.01 + n % 2 / 100) for n in range(25, SESSIONS)},
    "BAD.SCALE": {25: at(1_005.0)},
    "OK.SCALE": {n: at(11.0 + n % 2 / 10) for n in range(25, SESSIONS)},
    "BAD.SPIKE": {25: at(13.4)},
    "OK.SPIKE": {25: at(12.8)},
    "BAD.TWO": usually(
        dict.fromkeys(range(10, 32), ABSENT) | {n: at(50.0 + n) for n in range(32, SESSIONS)},
        v=1e9,
    ),
    "OK.TWO": usually(dict.fromkeys(range(10, 32), ABSENT), v=1e9),
}
"""What differs, by the number of the session."""

SPLITS = ("BAD.SHOWN", "OK.SHOWN")
"""They have a split of 10 for 1 in session 25."""


def plant(vendor: SimulatedVendor, sessions: Sequence[date]) -> None:
    """Let the vendor send all of them."""
    for n, session in enumerate(sessions):
        rows = [
            {"T": symbol} | calm(n) | bars.get(n, {})
            for symbol, bars in SERIES.items()
            if "absent" not in bars.get(n, {})
        ]
        sent = [{name: value for name, value in row.items() if value is not None} for row in rows]
        vendor.faults.add("bad_rows", endpoint="grouped", session=session, rows=sent)
