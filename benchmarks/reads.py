"""Reads over five years: the product's tables against the reference layout, in turns.

As users read: a query, planned each time, whose rows come as COPY BINARY, or as a frame of Polars.
Everything is warm, and vacuumed as autovacuum leaves it some minutes after a load.
"""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

import polars as pl
import psycopg
from psycopg import sql

from benchmarks import reference
from benchmarks.archive import Archive
from benchmarks.figures import Figure, Target
from benchmarks.stage import Stage
from benchmarks.table import COLUMNS
from universe_pipeline.adapters.postgres.summaries.figures import figures

SEED = 20_260
SYMBOLS = 100
OURS, VIEW = "daily_bars", "universe_bars"
ASKED, OF_SESSION = Target(1.2), Target(1.3)

Read = Callable[[psycopg.Connection, str, int], object]
"""Reads from a relation; the number of the repetition chooses among alike questions."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of read, from the product's relations and from the reference's."""

    name: str
    read: Read
    relations: Sequence[str] = (OURS, VIEW)
    repeats: int | None = None
    through_view: Target = ASKED
    """What is asked of the view, compared with the table."""


def reads(stage: Stage, archive: Archive) -> list[Figure]:
    """Every kind of read."""
    reference.build(archive.url, archive.sessions[-1])
    with psycopg.connect(archive.url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) daily_bars")
        found: list[Figure] = []
        for case in _cases(connection, archive):
            found += _compared(connection, case, case.repeats or stage.scale.repeats)
        return [*found, _size(connection)]


def _compared(connection: psycopg.Connection, case: Case, repeats: int) -> list[Figure]:
    relations = (*case.relations, reference.NAME)
    took: dict[str, list[float]] = {relation: [] for relation in relations}
    for number in range(repeats):
        for relation in relations:
            case.read(connection, relation, number)  # warms what it reads
        for relation in relations:
            started = time.perf_counter()
            case.read(connection, relation, number)
            took[relation].append(1000 * (time.perf_counter() - started))
    compared = [(OURS, reference.NAME, "reference", ASKED)]
    if VIEW in case.relations:
        compared.append((VIEW, OURS, OURS, case.through_view))
    return [
        Figure(
            "reads",
            case.name if relation == OURS else f"{case.name}, {relation}",
            median(took[relation]),
            "ms",
            median(took[other]),
            median(mine / theirs for mine, theirs in zip(took[relation], took[other], strict=True)),
            against,
            target,
        )
        for relation, other, against, target in compared
    ]  # fmt: skip


def _cases(connection: psycopg.Connection, archive: Archive) -> list[Case]:
    days, year = archive.sessions, archive.year
    sealed, hot = (days[-2 * year], days[-year - 1]), (days[-year], days[-1])
    draw = Random(SEED)  # noqa: S311  # the same symbols in every run
    lasting = _lasting_symbols(connection, archive)
    single = [draw.choice(lasting) for _ in range(SYMBOLS)]
    many = [draw.sample(lasting, min(SYMBOLS, len(lasting))) for _ in range(SYMBOLS)]
    old = [draw.choice(days[:-year]) for _ in range(SYMBOLS)]

    def symbol(number: int) -> Mapping[str, object]:
        return {"symbol": single[number]}

    def session(number: int) -> Mapping[str, object]:
        return {"day": old[number]}

    def newest(_: int) -> Mapping[str, object]:
        return {"day": days[-1]}

    def sealed_year(number: int) -> Mapping[str, object]:
        return {"symbols": many[number], "first": sealed[0], "last": sealed[1]}

    def hot_year(number: int) -> Mapping[str, object]:
        return {"symbols": many[number], "first": hot[0], "last": hot[1]}

    some = "symbol = ANY (%(symbols)s) AND date BETWEEN %(first)s AND %(last)s"
    frame = {"first": sealed[0], "last": sealed[1]}
    return [
        Case("a symbol, 5 years", _copied("symbol = %(symbol)s", symbol)),
        Case("a sealed session", _copied("date = %(day)s", session), through_view=OF_SESSION),
        Case("the newest session", _copied("date = %(day)s", newest), through_view=OF_SESSION),
        Case("100 symbols, a sealed year", _copied(some, sealed_year)),
        Case("100 symbols, the newest year", _copied(some, hot_year)),
        Case("figures of the coverage", _coverage, (OURS,)),
        Case("a year into Polars", _into_polars(frame), (OURS,), repeats=2),
    ]


def _copied(where: str, given: Callable[[int], Mapping[str, object]]) -> Read:
    def read(connection: psycopg.Connection, relation: str, number: int) -> int:
        query = f"COPY (SELECT {COLUMNS} FROM {relation} WHERE {where}) TO STDOUT (FORMAT BINARY)"
        with connection.cursor() as cursor, cursor.copy(sql.SQL(query), given(number)) as copy:  # pyright: ignore[reportArgumentType]  # literals of this module
            return sum(map(len, copy))

    return read


def _into_polars(given: Mapping[str, object]) -> Read:
    def read(connection: psycopg.Connection, relation: str, _: int) -> pl.DataFrame:
        query = (
            f"COPY (SELECT {COLUMNS} FROM {relation} WHERE date BETWEEN %(first)s AND %(last)s)"
            " TO STDOUT (FORMAT CSV, HEADER)"
        )
        with connection.cursor() as cursor, cursor.copy(sql.SQL(query), given) as copy:  # pyright: ignore[reportArgumentType]  # literals of this module
            received = io.BytesIO(b"".join(copy))
        return pl.read_csv(received, try_parse_dates=True, infer_schema_length=10_000)

    return read


def _coverage(connection: psycopg.Connection, relation: str, _: int) -> object:
    """What `universe status` asks for; the reference layout has to count."""
    if relation == OURS:
        return figures(connection)
    return connection.execute(
        f"SELECT symbol, min(date), max(date), count(*) FROM {reference.NAME} GROUP BY symbol"
    ).fetchall()


def _lasting_symbols(connection: psycopg.Connection, archive: Archive) -> list[str]:
    """Symbols of the universe that have a bar in the first and in the last year."""
    rows = connection.execute(
        "SELECT symbol FROM data_coverage JOIN symbols USING (symbol) JOIN universe_types"
        " USING (type) WHERE first_date < %s AND last_date >= %s ORDER BY symbol",
        (archive.sessions[archive.year], archive.sessions[-archive.year]),
    )
    return [symbol for (symbol,) in rows]


def _size(connection: psycopg.Connection) -> Figure:
    ours, best = (_megabytes(connection, name) for name in (OURS, reference.NAME))
    return Figure("reads", "size of bars and indexes", ours, "MB", best, ours / best, "reference")


def _megabytes(connection: psycopg.Connection, table: str) -> float:
    row = connection.execute(
        "SELECT sum(pg_total_relation_size(relid))::float8 FROM pg_partition_tree(%s::regclass)",
        (table,),
    ).fetchone()
    assert row is not None
    return row[0] / 1e6
