"""The public tables, said once: Dagster's catalogue shows them, a test holds the schema to them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its PostgreSQL type and what it means."""

    name: str
    type: str
    meaning: str


def _columns(text: str) -> tuple[Column, ...]:
    lines = (line.split("|") for line in text.strip().splitlines())
    return tuple(Column(*(part.strip() for part in line)) for line in lines)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "symbols": _columns(
        """
        symbol           | text        | the vendor's ticker, case-sensitive
        name             | text        | the security's name
        type             | text        | the vendor's type code: CS, ADRC, ETF … (an open set)
        primary_exchange | text        | ISO code (MIC) of the listing exchange
        currency         | text        | the currency it trades in, as the vendor writes it
        cik              | text        | the issuer's SEC number, where known
        composite_figi   | text        | composite OpenFIGI identifier, where known
        share_class_figi | text        | share class OpenFIGI identifier, where known
        active           | boolean     | listed today
        delisted_date    | date        | when it was delisted, where the vendor says so
        last_updated_utc | timestamp with time zone | when the vendor last touched the row
        first_seen_at    | timestamp with time zone | first discovery that listed it
        last_seen_at     | timestamp with time zone | newest discovery that listed it
        """
    ),
    "daily_bars": _columns(
        """
        date         | date             | New York session date
        symbol       | text             | the vendor's ticker, case-sensitive
        open         | double precision | USD a share, as traded
        high         | double precision | USD a share, as traded
        low          | double precision | USD a share, as traded
        close        | double precision | USD a share, as traded
        volume       | double precision | shares; fractional since 2026-02-23
        vwap         | double precision | USD a share; takes odd lots and extended hours
        transactions | bigint           | number of trades
        source       | text             | the endpoint it came from: grouped or symbol
        """
    ),
    "data_coverage": _columns(
        """
        symbol        | text           | the vendor's ticker, case-sensitive
        first_date    | date           | first session with a bar
        last_date     | date           | last session with a bar
        bar_count     | integer        | bars in loaded sessions
        missing_count | integer        | loaded sessions between the two without a bar
        loaded        | datemultirange | unbroken runs of sessions with a bar
        updated_at    | timestamp with time zone | when this row last changed
        """
    ),
    "splits": _columns(
        """
        symbol          | text             | the vendor's ticker, case-sensitive
        execution_date  | date             | bars before it are of the old shares; future: announced
        split_from      | double precision | so many old shares became
        split_to        | double precision | so many new ones
        adjustment_type | text             | forward_split, reverse_split, stock_dividend …
        fetched_at      | timestamp with time zone | when the list that holds it was last asked for
        believed_from   | timestamp with time zone | since when it stands here as it does
        """
    ),
}
