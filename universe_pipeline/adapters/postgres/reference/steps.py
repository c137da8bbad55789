"""`adjustment_steps` as readers need them: packed, as there are a hundred thousand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import psycopg

from universe_pipeline.adapters.postgres.packing import Numbers, Pack, query, unpack

_PACKS = (
    Pack(("security_id",), "string_agg(int8send(security_id), '')", ">i8"),
    Pack(("date",), "string_agg(date_send(since), '')", ">i4"),
    Pack(("split", "dividend"), "string_agg(point_send(point(split, dividend)), '')", ">f8"),
)

_ALL = f"""
    SELECT {", ".join(f"coalesce({pack.sql}, '')" for pack in _PACKS)} FROM adjustment_steps
    """

_OF_SOME = f"{_ALL} WHERE security_id = ANY (%(ids)s)"

_KNOWN = """
    SELECT EXISTS (SELECT FROM listings), dividends_complete_since(),
           (SELECT min(date) FROM session_loads),
           EXISTS (SELECT FROM action_verdicts WHERE kind = 'dividend')
               OR NOT EXISTS (SELECT FROM dividends WHERE ex_date BETWEEN
                   (SELECT min(date) FROM session_loads) AND (SELECT max(date) FROM session_loads))
    """


@dataclass(frozen=True, slots=True)
class Steps:
    """The products of securities from days on: see `domain/adjustment.py`."""

    ids: Numbers
    days: Numbers
    """Days since 1970-01-01."""
    splits: Numbers
    dividends: Numbers


NO_STEPS = Steps(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0), np.empty(0))


def steps(connection: psycopg.Connection, ids: Sequence[int] | None = None) -> Steps:
    """The steps of the securities `ids`, or of all, in any order."""
    statement, given = (_ALL, {}) if ids is None else (_OF_SOME, {"ids": list(ids)})
    with connection.cursor(binary=True) as cursor:
        row: Any = cursor.execute(query(statement), given, prepare=True).fetchone()
    found = unpack(_PACKS, row)
    return Steps(found["security_id"], found["date"], found["split"], found["dividend"])


@dataclass(frozen=True, slots=True)
class Known:
    """What adjusting needs, and whether it is stored."""

    listings: bool
    dividends_since: date | None
    """The ex-date from which on all dividends are stored; None: from no day on."""
    first_session: date | None
    """None: no session was ever asked for as a whole."""
    dividends_judged: bool
    """Without verdicts no dividend is applied."""

    def has_dividends(self, start: date) -> bool:
        """Whether all dividends are stored that change bars from `start` on."""
        since = self.dividends_since
        return since is not None and since <= max(start, self.first_session or start)


def known(connection: psycopg.Connection) -> Known:
    """What is stored of listings, dividends and sessions."""
    row: Any = connection.execute(_KNOWN, prepare=True).fetchone()
    return Known(*row)
