"""`universe_pipeline.read` against receiving the same rows by COPY BINARY, in turns.

Everything is warm. The floor receives the bytes and drops them: no frame, no adjustment.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

import psycopg
from psycopg import sql

from benchmarks.archive import Archive
from benchmarks.figures import Figure, Target
from benchmarks.reads import SEED
from benchmarks.stage import Stage
from benchmarks.table import COLUMNS
from universe_pipeline import read

MANY = 500
IMPORTS = ("polars, numpy, psycopg", "universe_pipeline.read")
FLOOR = "COPY BINARY"

PLANTED = """
    INSERT INTO securities (security_key, created_at)
    SELECT symbol || '@' || first_date, now() FROM data_coverage ORDER BY symbol;
    INSERT INTO listings (security_id, symbol, name, type, valid_from, evidence, believed_from)
    SELECT security_id, symbol, '', type, first_date, 'list', now()
    FROM data_coverage JOIN symbols USING (symbol)
    JOIN securities ON security_key = symbol || '@' || first_date;
    """
"""Where no listings are built: each symbol is a security."""

ACTIONS = """
    TRUNCATE adjustment_steps;
    INSERT INTO adjustment_steps
    SELECT security_id, since, lead(since) OVER whole, 2 ^ (n / 20), 1.006 ^ n
    FROM (SELECT security_id, n, valid_from + 60 * n AS since
          FROM listings, generate_series(1, 30) AS n WHERE valid_to IS NULL AND security_id % 4 = 0
    ) AS acted WINDOW whole AS (PARTITION BY security_id ORDER BY since);
    INSERT INTO dividends (symbol, ex_date, n, cash_amount, currency, fetched_at, believed_from)
    SELECT min(symbol), current_date, 1, 0.5, 'USD', now(), now() FROM symbols
    ON CONFLICT DO NOTHING;
    INSERT INTO action_verdicts (kind, symbol, action_date, verdict, judged_at, believed_from)
    SELECT 'dividend', min(symbol), current_date, 'unassigned', now(), now() FROM symbols
    ON CONFLICT DO NOTHING;
    VACUUM ANALYZE listings, adjustment_steps, daily_bars
    """
"""A hundred thousand steps: of a quarter of the securities, one every two months."""

Timed = Callable[[int], object]
"""Reads; the number of the repetition chooses among alike questions."""


@dataclass(frozen=True, slots=True)
class Case:
    """Some reads of the same bars, and the floor under them."""

    floor: Timed
    reads: dict[str, tuple[Timed, Target]]
    repeats: int


def research(stage: Stage, archive: Archive) -> list[Figure]:
    """Every kind of read, the memory of a year, and the import."""
    with psycopg.connect(archive.url, autocommit=True) as connection:
        _plant(connection)
        with read.connect(archive.url) as data:
            cases = _cases(connection, data, archive, stage.scale.repeats)
            figures = [figure for case in cases for figure in _compared(case)]
            day = archive.sessions[len(archive.sessions) // 2]
            figures.append(_universe(data, str(day), stage.scale.repeats))
    return [*figures, _memory(stage, archive), _import(stage)]


def _plant(connection: psycopg.Connection) -> None:
    row = connection.execute("SELECT EXISTS (SELECT FROM listings)").fetchone()
    planted = "" if row == (True,) else PLANTED
    for statement in (planted + ACTIONS).split(";"):
        if statement.strip():
            connection.execute(statement.encode())


def _cases(
    connection: psycopg.Connection, data: read.Reader, archive: Archive, repeats: int
) -> list[Case]:
    days = archive.sessions
    first, last, year = days[0], days[-1], days[-2 * archive.year]
    until = days[-archive.year - 1]
    symbols = _lasting(connection, archive)
    draw = Random(SEED)  # noqa: S311  # the same symbols in every run
    single = [draw.choice(symbols) for _ in range(repeats)]
    many = draw.sample(symbols, min(MANY, len(symbols)))

    def of_symbol(number: int) -> object:
        return data.bars(single[number], first, last, adjustment="total_return")

    def of_year(adjustment: read.Adjustment) -> Timed:
        return lambda _: data.bars(start=year, end=until, adjustment=adjustment)

    def wide(_: int) -> object:
        return data.closes(many, first, last, adjustment="total_return")

    one = _copied(connection, COLUMNS, "symbol = {}", lambda number: [single[number]])
    all_of_year = _copied(connection, COLUMNS, "date BETWEEN {} AND {}", lambda _: [year, until])
    closes = _copied(connection, "symbol, date, close", "symbol = ANY ({})", lambda _: [many])
    return [
        Case(one, {"a symbol, 5 years, total return": (of_symbol, Target(1.5))}, repeats),
        Case(
            all_of_year,
            {
                "a year of everything, as traded": (of_year("none"), Target(0.9)),
                "the same, splits": (of_year("splits"), Target(1.0)),
                "the same, total return": (of_year("total_return"), Target(1.1)),
            },
            min(repeats, 3),
        ),
        Case(closes, {"500 symbols, 5 years of closes": (wide, Target(1.0))}, min(repeats, 3)),
    ]


def _copied(
    connection: psycopg.Connection,
    columns: str,
    where: str,
    given: Callable[[int], Sequence[object]],
) -> Timed:
    def receive(number: int) -> int:
        query = f"COPY (SELECT {columns} FROM daily_bars WHERE {where}) TO STDOUT (FORMAT BINARY)"
        asked = sql.SQL(query).format(*map(sql.Literal, given(number)))  # pyright: ignore[reportArgumentType]  # literals of this module
        with connection.cursor() as cursor, cursor.copy(asked) as copy:
            return sum(map(len, copy))

    return receive


def _compared(case: Case) -> list[Figure]:
    ways = {FLOOR: case.floor} | {name: timed for name, (timed, _) in case.reads.items()}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(case.repeats):
        for timed in ways.values():
            timed(number)  # warms what it reads
        for name, timed in ways.items():
            took[name].append(_milliseconds(timed, number))
    floor = took[FLOOR]
    return [
        Figure(
            "research",
            name,
            median(took[name]),
            "ms",
            median(floor),
            median(mine / theirs for mine, theirs in zip(took[name], floor, strict=True)),
            FLOOR,
            target,
        )
        for name, (_, target) in case.reads.items()
    ]


def _universe(data: read.Reader, day: str, repeats: int) -> Figure:
    took = [_milliseconds(data.universe_on, day) for _ in range(repeats)]
    return Figure(
        "research", "universe_on a day", median(took), "ms", target=Target(20, of="value")
    )


def _memory(stage: Stage, archive: Archive) -> Figure:
    days = archive.sessions[-2 * archive.year], archive.sessions[-archive.year - 1]
    printed = stage.child("reading", archive.url, *days)
    peak, frame = printed["peak_mb"], printed["frame_mb"]
    return Figure(
        "research", "peak of a year, total return", peak, "MB", frame, peak / frame, "the frame",
        Target(3),
    )  # fmt: skip


def _import(stage: Stage) -> Figure:
    took: dict[str, list[float]] = {modules: [] for modules in IMPORTS}
    for _ in range(stage.scale.repeats):
        for modules, times in took.items():
            times.append(_milliseconds(_run, stage, f"import {modules}"))
    libraries, door = took.values()
    ratios = (mine / theirs for mine, theirs in zip(door, libraries, strict=True))
    return Figure(
        "research", "import universe_pipeline.read", median(door), "ms", median(libraries),
        median(ratios), IMPORTS[0], Target(1.2),
    )  # fmt: skip


def _lasting(connection: psycopg.Connection, archive: Archive) -> list[str]:
    """Symbols with a bar in the first and in the last year, each of one security."""
    rows = connection.execute(
        "SELECT symbol FROM data_coverage JOIN listings USING (symbol)"
        " WHERE first_date < %s AND last_date >= %s"
        " GROUP BY symbol HAVING count(DISTINCT security_id) = 1 ORDER BY 1",
        (archive.sessions[archive.year], archive.sessions[-archive.year]),
    )
    return [symbol for (symbol,) in rows]


def _run(stage: Stage, code: str) -> None:
    environment = stage.environment()
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=stage.home, check=True)


def _milliseconds(run: Callable[..., object], *given: object) -> float:
    started = time.perf_counter()
    run(*given)
    return 1000 * (time.perf_counter() - started)
