"""The object that `read.connect` gives: what is stored, as frames."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from types import TracebackType
from typing import Any, Self

import polars as pl

from universe_pipeline.adapters.postgres import schema
from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.adapters.postgres.snapshots import Snapshots
from universe_pipeline.domain.errors import (
    DataError,
    NotLoaded,
    Unavailable,
    UniverseError,
)
from universe_pipeline.domain.sessions import is_session, sessions_after, sessions_before
from universe_pipeline.research import arguments, bars, lists
from universe_pipeline.research.arguments import Adjustment, Day, Missing, Symbols
from universe_pipeline.research.bars import Asked, Universe
from universe_pipeline.research.shapes import FACTORS, Shape


class Reader:
    """What is stored, as Polars frames. It only reads, and any number of threads may share it.

    Each call sees the database at one moment. Close it, or use it as a context manager.
    """

    def __init__(self, database: Database) -> None:
        self._snapshots = Snapshots(database)
        with self._snapshot() as connection:
            if schema.current_version(connection) is None:
                raise NotLoaded("the database is empty: run `universe discover`")
            schema.require_readable(connection)

    def close(self) -> None:
        """Close its connections; done twice it does nothing."""
        self._snapshots.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def bars(
        self,
        symbols: Symbols | None = None,
        start: Day | None = None,
        end: Day | None = None,
        *,
        columns: Sequence[str] | None = None,
        adjustment: Adjustment = "none",
        as_of: Day | None = None,
        universe: Universe = None,
        factors: bool = False,
        follow: bool = True,
        missing: Missing = "raise",
    ) -> pl.DataFrame:
        """Bars as traded, or adjusted.

        Args:
            symbols: symbols or security ids; None: all.
            start: the first day; None: the first loaded session, for given symbols only.
            end: the last day; None: the newest loaded session.
            columns: those to read next to date and symbol; fewer are quicker.
            adjustment: "none", "splits", or "total_return" for dividends as well.
            as_of: prices are in the shares of this day, later actions do not count, and later bars
                are left out; None: all actions up to today.
            universe: True: listings of the universe's types; codes: of these types.
            factors: whether `price_factor` and `volume_factor` follow: raw = value / factor.
            follow: whether a symbol means the security that bears it on `end`, under its earlier
                symbols too. False: the bars of the symbol itself, of any security.
            missing: "raise", or "allow" to read a range of which sessions are not loaded.

        Returns:
            By date and symbol; for given symbols by symbol and date.

        Raises:
            DataError: it cannot be read as asked.
            ValueError: an argument is not accepted.
        """
        asked = _asked(start, end, adjustment, as_of, missing)
        shown = arguments.columns(columns, ("security_id", *arguments.FIELDS))
        shape = Shape(
            (*shown, *FACTORS) if factors else shown,
            is_adjusted=factors or adjustment != "none",
        )
        if symbols is None:
            if start is None:
                raise ValueError("start= is needed to read all symbols: give a date or YYYY-MM-DD")
            types = _universe(universe)
            with self._snapshot() as connection:
                return bars.of_everything(connection, asked, shape, types)
        if universe:
            raise ValueError("universe= chooses among all symbols: leave out symbols=")
        named = arguments.symbols(symbols)
        with self._snapshot() as connection:
            return bars.of_symbols(connection, asked, shape, named, follow=follow)

    def closes(
        self,
        symbols: Symbols,
        start: Day | None = None,
        end: Day | None = None,
        *,
        field: str = "close",
        adjustment: Adjustment = "splits",
        as_of: Day | None = None,
    ) -> pl.DataFrame:
        """One field of chosen symbols, wide: `date`, and a column for each symbol.

        A session without a bar is null. Arguments and errors as `bars`.
        """
        arguments.one_of("field", field, arguments.FIELDS)
        asked = _asked(start, end, adjustment, as_of, "raise")
        named = arguments.symbols(symbols)
        with self._snapshot() as connection:
            return bars.wide(connection, asked, field, named)

    def session(self, date: Day, **options: Any) -> pl.DataFrame:
        """The bars of one session, by symbol; options as those of `bars`."""
        day = arguments.day("date", date)
        if not is_session(day):
            around = " and ".join(map(str, (*sessions_before(day, 1), *sessions_after(day, 1))))
            raise ValueError(
                f"date={day} is not an NYSE session: the sessions around it are {around}"
            )
        return self.bars(None, day, day, **options)

    def scan(
        self, start: Day, end: Day | None = None, months: int = 1, **options: Any
    ) -> Iterator[pl.DataFrame]:
        """The bars of all symbols over a range that does not fit memory, some months at a time.

        Each frame sees the database at its own moment.

        Args:
            start: the first day.
            end: the last day; None: the newest loaded session.
            months: how many a frame holds.
            options: as those of `bars`, but for chosen symbols.
        """
        if months < 1:
            raise ValueError(f"months={months} is not accepted: give 1 or more")
        if "symbols" in options:
            raise ValueError("scan() reads all symbols: read chosen ones by bars()")
        asked = _asked(start, end, missing=options.get("missing", "raise"))
        with self._snapshot() as connection:
            whole = bars.range_of(connection, asked)
        return (
            self.bars(start=begin, end=until, **options)
            for begin, until in _pieces(whole.start, whole.end, months)
        )

    def symbols(self) -> pl.DataFrame:
        """Every security of the vendor's reference lists, as the table `symbols`."""
        with self._snapshot() as connection:
            return lists.whole(connection, "symbols")

    def coverage(self) -> pl.DataFrame:
        """For each symbol, which sessions have a bar, as the table `data_coverage`."""
        with self._snapshot() as connection:
            return lists.whole(connection, "data_coverage")

    def universe_on(self, date: Day, types: Sequence[str] | None = None) -> pl.DataFrame:
        """The listings of the universe that were valid on a day, by security.

        Args:
            date: the day.
            types: the vendor's type codes; None: those of the universe.

        Raises:
            NotLoaded: no listings are stored.
        """
        day = arguments.day("date", date)
        codes = None if types is None else arguments.types(types)
        with self._snapshot() as connection:
            return lists.universe_on(connection, day, codes)

    def listings(self, symbol: str | None = None) -> pl.DataFrame:
        """Every listing, as the table `listings`.

        Args:
            symbol: only those of the securities that ever bore it.

        Raises:
            UnknownSymbol: no list and no bar has it.
        """
        with self._snapshot() as connection:
            return lists.listings(connection, symbol)

    def splits(self) -> pl.DataFrame:
        """Every split of the vendor's list, announced ones included, as the table `splits`."""
        with self._snapshot() as connection:
            return lists.values(connection, "splits")

    def dividends(self) -> pl.DataFrame:
        """Every cash dividend, announced ones included, as the table `dividends`."""
        with self._snapshot() as connection:
            return lists.values(connection, "dividends")

    def gaps(self, symbols: Symbols | None = None) -> pl.DataFrame:
        """The past actions that are not applied, and may be true: adjusted prices lack them.

        Args:
            symbols: symbols or security ids; None: all.

        Returns:
            `kind`, `symbol`, `action_date`, `security_id` and `verdict`, in this order.
        """
        named = None if symbols is None else arguments.symbols(symbols)
        with self._snapshot() as connection:
            return lists.gaps(connection, named)

    @contextmanager
    def _snapshot(self) -> Generator[Connection]:
        try:
            with self._snapshots.snapshot() as connection:
                yield connection
        except DataError:
            raise
        except UniverseError as error:
            raise Unavailable(str(error)) from error


def _asked(
    start: Day | None,
    end: Day | None,
    adjustment: str = "none",
    as_of: Day | None = None,
    missing: str = "raise",
) -> Asked:
    arguments.one_of("adjustment", adjustment, arguments.ADJUSTMENTS)
    arguments.one_of("missing", missing, arguments.MISSING)
    first, last = arguments.optional_day("start", start), arguments.optional_day("end", end)
    if first and last:
        arguments.in_order(first, last)
    newest = arguments.optional_day("as_of", as_of)
    return Asked(first, last, adjustment, newest, may_lack=missing == "allow")


def _universe(given: Universe) -> Universe:
    return given if given is None or isinstance(given, bool) else arguments.types(given)


def _pieces(start: date, end: date, months: int) -> Iterator[tuple[date, date]]:
    """The days from `start` to `end`, cut where every `months`-th month begins."""
    while start <= end:
        count = start.year * 12 + start.month - 1 + months
        following = date(count // 12, count % 12 + 1, 1)
        yield start, min(end, following - timedelta(days=1))
        start = following
