"""From a reference list to what it says of each symbol."""

from datetime import date

import polars as pl

from universe_pipeline.domain.blanks import value

IDENTIFIERS = ("cik", "composite_figi", "share_class_figi")
SHOWN = ("name", "type", "primary_exchange")
SAID = (*SHOWN, *IDENTIFIERS)


def of_active(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """What a list of active tickers says on a day: `symbol`, `SAID`, `doubtful`, one row a symbol.

    Of several rows of a symbol that counts which was last updated nearest to the day: the newest
    may be that of a company that took the ticker years later. Where they name different
    identifiers, what they say is doubtful.

    Args:
        rows: `SYMBOL_SCHEMA`.
        day: the day that the list is of.
    """
    noon = pl.lit(day).cast(pl.Datetime("us", "UTC"))
    distance = (pl.col("last_updated_utc") - noon).abs()
    differ = pl.any_horizontal(pl.col(name).drop_nulls().n_unique() > 1 for name in IDENTIFIERS)
    marked = rows.with_columns(value(name) for name in SAID)
    doubtful = marked.group_by("symbol").agg(doubtful=differ)
    return (
        marked.sort(distance, nulls_last=True, maintain_order=True)
        .unique("symbol", keep="first")
        .join(doubtful, on="symbol")
        .select("symbol", *SAID, "doubtful")
        .sort("symbol")
    )


def of_delisted(rows: pl.DataFrame) -> pl.DataFrame:
    """What the list of delisted tickers says: the same with `delisted_date`, where one is known.

    Args:
        rows: `SYMBOL_SCHEMA`.
    """
    return (
        rows.with_columns(value(name) for name in SAID)
        .filter(pl.col("delisted_date").is_not_null())
        .sort("last_updated_utc", descending=True, nulls_last=True, maintain_order=True)
        .unique(["symbol", "delisted_date"], keep="first")
        .select("symbol", "delisted_date", *SAID, doubtful=pl.lit(value=False))
        .sort("symbol", "delisted_date")
    )


def with_known(said: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """What lists say, with the known name, type and exchange of a symbol where a row lacks them.

    Identifiers stay as the list has them: a known one may be of another security.

    Args:
        said: by `of_active` or `of_delisted`.
        known: `SYMBOL_SCHEMA`, one row a symbol.
    """
    before = known.select("symbol", *(pl.col(name).alias(f"{name}_known") for name in SHOWN))
    joined = said.join(before, on="symbol", how="left", maintain_order="left")
    return joined.with_columns(
        pl.coalesce(name, f"{name}_known").alias(name) for name in SHOWN
    ).select(said.columns)
