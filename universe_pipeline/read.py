"""The public door for notebooks and other programs: stored bars as Polars frames.

    from universe_pipeline import read

    with read.connect() as data:
        bars = data.bars("AAPL", start="2024-01-02")

Importing it loads neither Dagster nor the settings, and changes nothing in the process.
docs/research.md explains it by examples.
"""

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.errors import (
    AmbiguousSymbol,
    DataError,
    NoDividends,
    NotLoaded,
    Unavailable,
    UniverseError,
    UnknownSymbol,
)
from universe_pipeline.research.arguments import Adjustment
from universe_pipeline.research.reader import Reader

__all__ = [
    "Adjustment",
    "AmbiguousSymbol",
    "DataError",
    "NoDividends",
    "NotLoaded",
    "Reader",
    "Unavailable",
    "UnknownSymbol",
    "connect",
]


def connect(url: str | None = None) -> Reader:
    """Connect to the database, which this process then only reads.

    Args:
        url: `postgresql://…`; None: that of the settings (the environment and `.env`), or of the
            embedded server, which is started where it does not run.

    Raises:
        Unavailable: it cannot be reached, or this release cannot read it.
        NotLoaded: it is empty.
    """
    try:
        database = _of_settings() if url is None else Database(url, reads_only=True)
    except UniverseError as error:
        raise Unavailable(str(error)) from error
    return Reader(database)


def _of_settings() -> Database:
    # Reading the settings takes as long as importing Polars: not for who names the database.
    from universe_pipeline.settings import load_settings
    from universe_pipeline.wiring import database_url

    settings = load_settings()
    return Database(database_url(settings), settings.universe_types, reads_only=True)
