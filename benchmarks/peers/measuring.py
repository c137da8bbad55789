"""What all peers share: their arguments, the table, the clock."""

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.table import KEYED

KEY = "key-of-benchmarks"
Load = Callable[[str, str, list[date]], None]


def foreign(name: str) -> Any:
    """A library that only `.venv-bench` has, so that type checkers do not see it."""
    return importlib.import_module(name)


def measure(load: Load, *, table: tuple[str, ...] = ("bars",)) -> None:
    """Load the sessions of the command line; print how long it took and what is stored."""
    vendor, database, *days = sys.argv[1:]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(KEYED)
        started = time.perf_counter()
        load(vendor, database, [date.fromisoformat(day) for day in days])
        seconds = time.perf_counter() - started
        count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))
        (stored,) = connection.execute(count).fetchall()[0]
    print(json.dumps({"seconds": seconds, "bars": stored}))


def answers(vendor: str, days: list[date]) -> Iterator[tuple[date, list[Any]]]:
    """Each day's aggregates by the vendor's own client."""
    client = foreign("massive").RESTClient(api_key=KEY, base=vendor)
    for day in days:
        yield day, client.get_grouped_daily_aggs(day, adjusted=False)


def row(day: date, bar: Any) -> tuple[Any, ...]:
    """One of the client's aggregates in the table's order."""
    return (
        day,
        *(bar.ticker, bar.open, bar.high, bar.low, bar.close),
        *(bar.volume, bar.vwap, bar.transactions),
    )
