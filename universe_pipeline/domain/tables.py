"""Every public table and view, described once.

SQL column lists, Polars schemas, Dagster's column schemas and the tables of docs/data.md derive from
`COLUMNS`; a test compares it with the migrated database. To add a column, write the migration and
the line here, then run `make tables`.

A line is: name | PostgreSQL type | role | unit | meaning in Markdown. A role that ends in `?` may be
null.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import polars as pl


class Role(StrEnum):
    """What a column is for."""

    KEY = "key"
    """Identifies the row: a part of the primary key."""
    VALUE = "value"
    """What the table is about: the vendor's values, counts, findings."""
    ORIGIN = "origin"
    """Where and when the row came from, and since when it is as it is."""
    OWN = "own"
    """For the loader's own use."""


POLARS_TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "date": pl.Date(),
    "double precision": pl.Float64(),
    "bigint": pl.Int64(),
    "integer": pl.Int32(),
    "smallint": pl.Int16(),
    "boolean": pl.Boolean(),
    "timestamp with time zone": pl.Datetime("us", "UTC"),
    "text[]": pl.List(pl.String()),
    "date[]": pl.List(pl.Date()),
    "datemultirange": pl.List(pl.Struct({"lower": pl.Date(), "upper": pl.Date()})),
    "jsonb": pl.String(),
    "bytea": pl.Binary(),
}
"""The type of a frame's column by that of the table's; JSON is its text."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its PostgreSQL type and what it means."""

    name: str
    type: str
    meaning: str
    """Markdown."""
    role: Role
    is_nullable: bool
    unit: str | None

    @property
    def polars(self) -> pl.DataType:
        """Its type in a frame."""
        return POLARS_TYPES[self.type]

    @property
    def plain(self) -> str:
        """Its meaning and unit as plain text."""
        text = re.sub(r"\[([^\]]+)\]\([^)]*\)|`", r"\1", self.meaning)
        return f"{self.unit}; {text}" if self.unit else text


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(_column(*map(str.strip, line.split("|"))) for line in text.strip().splitlines())


def _column(name: str, kind: str, role: str, unit: str, meaning: str) -> Column:
    kind = "timestamp with time zone" if kind == "timestamptz" else kind
    return Column(name, kind, meaning, Role(role.rstrip("?")), role.endswith("?"), unit or None)


_BARS = _columns(
    """
    date         | date             | key    |             | New York session date
    symbol       | text             | key    |             | the vendor's ticker, case-sensitive
    open         | double precision | value  | USD a share | first price, as traded: not adjusted for splits or dividends
    high         | double precision | value  | USD a share | highest price, as traded
    low          | double precision | value  | USD a share | lowest price, as traded
    close        | double precision | value  | USD a share | last price, as traded
    volume       | double precision | value  | shares      | odd lots and extended hours included; fractional since 2026-02-23
    vwap         | double precision | value? | USD a share | mean price by volume, odd lots and extended hours included; null where the vendor sends none
    transactions | bigint           | value? | trades      | their number; null where the vendor sends none
    source       | text             | origin |             | `grouped` or `symbol`: the endpoint that the row came from
    """
)
_BAR_KEYS = (_BARS[1], _BARS[0])

_SYMBOLS = _columns(
    """
    symbol           | text        | key    |  | the vendor's ticker, case-sensitive
    name             | text        | value  |  | the security's name; empty where the vendor sends none
    type             | text        | value? |  | the vendor's type code: `CS`, `ADRC`, `ETF` …, an open set
    primary_exchange | text        | value? |  | ISO code (MIC) of the listing exchange
    currency         | text        | value? |  | the currency it trades in, as the vendor writes it
    cik              | text        | value? |  | the issuer's SEC number, where known
    composite_figi   | text        | value? |  | composite OpenFIGI identifier; often absent, never unique
    share_class_figi | text        | value? |  | share class OpenFIGI identifier; often absent, never unique
    active           | boolean     | value  |  | listed at the last discovery
    delisted_date    | date        | value? |  | when it was delisted, where the vendor says so
    last_updated_utc | timestamptz | value? |  | when the vendor last touched the row
    first_seen_at    | timestamptz | origin |  | first discovery that listed it
    last_seen_at     | timestamptz | origin |  | newest discovery that listed it
    """
)

_SPLITS = _columns(
    """
    symbol          | text             | key    |        | the vendor's ticker, case-sensitive
    execution_date  | date             | key    |        | from the open of this session on, a share is a new one; after today: announced, and not applied
    split_from      | double precision | value  | shares | so many old shares became `split_to` new ones: 1 and 4, 8 and 1, 1 and 1.0056
    split_to        | double precision | value  | shares | so many new ones
    adjustment_type | text             | value? |        | `forward_split`, `reverse_split`, `stock_dividend` …, an open set; null where the vendor sends none
    fetched_at      | timestamptz      | origin |        | when the list that holds it was last asked for
    believed_from   | timestamptz      | origin |        | since when the row is as it is
    """
)

_DIVIDENDS = _columns(
    """
    symbol            | text             | key    |                  | the vendor's ticker, case-sensitive
    ex_date           | date             | key    |                  | from the open of this session on, a buyer does not receive it; after today: announced
    n                 | smallint         | key    |                  | counts the different dividends of one symbol and day from 1, by amount, currency and type: a share paid all of them
    cash_amount       | double precision | value  | currency a share | as declared: not adjusted for later splits
    currency          | text             | value? |                  | ISO code, mostly `USD`; null where the vendor sends none
    distribution_type | text             | value? |                  | `recurring`, `special`, `supplemental`, `irregular`, `unknown` …, an open set: decide nothing by it
    frequency         | smallint         | value? | payments a year  | as the vendor sends it; 0: irregular or unknown
    declaration_date  | date             | value? |                  | when it was announced
    record_date       | date             | value? |                  | who holds a share on this day receives it
    pay_date          | date             | value? |                  | when it is paid
    fetched_at        | timestamptz      | origin |                  | when the window of ex-dates that holds it was last asked for
    believed_from     | timestamptz      | origin |                  | since when the row is as it is
    """
)

_LISTINGS = _columns(
    """
    security_id      | bigint      | key    |  | the security
    symbol           | text        | value  |  | the vendor's ticker, case-sensitive
    name             | text        | value  |  | the newest name that a list gave in this time; empty where none did
    type             | text        | value? |  | the vendor's type code; null where no list gave one
    primary_exchange | text        | value? |  | ISO code (MIC) of the listing exchange
    valid_from       | date        | key    |  | its first session
    valid_to         | date        | value? |  | the session after its last one; null: still listed
    end_reason       | text        | value? |  | `delisted`, `renamed` or `unknown`; null: still listed
    evidence         | text        | value  |  | what ties it to its security: `figi`, `cik`, `event`, `bars`, `list`, `owner` or `unknown`
    believed_from    | timestamptz | origin |  | since when the row is as it is
    """
)

_REVISED = _columns(
    """
    believed_from | timestamptz | origin  |  | since when these values stood in the table
    replaced_at   | timestamptz | key     |  | when a later answer changed or removed them
    run_id        | text        | origin? |  | the run that replaced them
    """
)
_ACTION_KEY = _columns(
    """
    kind        | text | key |  | `split` or `dividend`
    symbol      | text | key |  | the symbol under which it is listed
    action_date | date | key |  | its execution date or ex-date
    """
)

_ACTION_VERDICTS = (
    *_ACTION_KEY,
    *_columns(
        """
        security_id | bigint           | value? |  | the security that it belongs to; null: none, or listings are not built yet
        verdict     | text             | value  |  | one of the [verdicts](adjustment.md#verdicts)
        applied_on  | date             | value? |  | the day on which it takes effect; null: it is not applied
        multiplier  | double precision | value? |  | of a split `split_to / split_from`, of a dividend close before / (close before - cash); null: it is not applied
        observed    | double precision | value? |  | open / close before, in the shares of before
        expected    | double precision | value? |  | the same, as the action makes it
        judged_at   | timestamptz      | origin |  | when it was last judged
        believed_from | timestamptz    | origin |  | since when the verdict is as it is
        """
    ),
)

_ACTION_OVERRIDES = (
    *_ACTION_KEY,
    *_columns(
        """
        split_from | double precision | value? | shares      | so many old shares became `split_to` new ones; null for a dividend, or one to remove
        split_to   | double precision | value? | shares      | so many new ones
        cash       | double precision | value? | USD a share | of a dividend, in the shares of its day
        removed    | boolean          | value  |             | the action is not applied, though the vendor lists it
        reason     | text             | value  |             | of `universe actions`
        made_by    | text             | origin |             | the account
        made_at    | timestamptz      | origin |             | when
        """
    ),
)

_RUN_ID, _TAKEN_AT = _columns(
    """
    run_id   | text        | origin? |  | the run that wrote the row
    taken_at | timestamptz | key     |  | when the list was asked for
    """
)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "daily_bars": _BARS,
    "universe_bars": (
        *_BAR_KEYS,
        *_BARS[2:],
        *_columns(
            """
            security_id | bigint | value? |  | the security that bore the symbol on that day; null until [listings](#listings) are built
            """
        ),
    ),
    "adjusted_bars": (
        *_BAR_KEYS,
        *_columns(
            """
            open         | double precision | value  | USD a share of today | first price
            high         | double precision | value  | USD a share of today | highest price
            low          | double precision | value  | USD a share of today | lowest price
            close        | double precision | value  | USD a share of today | last price
            volume       | double precision | value  | shares of today      | `volume` of the bar, by the reverse of `price_factor`
            vwap         | double precision | value? | USD a share of today | mean price by volume
            """
        ),
        *_BARS[-2:],
        *_columns(
            """
            price_factor | double precision | value  |  | what the prices as traded were multiplied by
            security_id  | bigint           | value? |  | the security that bore the symbol on that day; null until listings are built
            """
        ),
    ),
    "symbols": _SYMBOLS,
    "splits": _SPLITS,
    "dividends": _DIVIDENDS,
    "split_factors": _columns(
        """
        symbol        | text             | key    |  | the vendor's ticker, case-sensitive
        since         | date             | value? |  | first day of the bars that the factors are for; null: from the first bar on
        until         | date             | key    |  | the day after the last of them: an execution date
        price_factor  | double precision | value  |  | what prices are multiplied by
        volume_factor | double precision | value  |  | what volumes are multiplied by
        """
    ),
    "action_verdicts": _ACTION_VERDICTS,
    "action_verdict_revisions": (*_ACTION_VERDICTS[:-2], *_REVISED),
    "action_overrides": _ACTION_OVERRIDES,
    "action_override_revisions": (*_ACTION_OVERRIDES, _REVISED[1]),
    "adjustment_steps": _columns(
        """
        security_id | bigint           | key    |  | the security
        since       | date             | key    |  | first day of the bars that the products are for: an action takes effect
        until       | date             | value? |  | the day after the last of them: the next action takes effect; null: none has
        split       | double precision | value  |  | C: new shares for a share of before the first action
        dividend    | double precision | value  |  | H: product of close before / (close before - cash) over the ex-dates
        """
    ),
    "data_coverage": _columns(
        """
        symbol        | text           | key    |          | the vendor's ticker, case-sensitive
        first_date    | date           | value  |          | first session with a bar
        last_date     | date           | value  |          | last session with a bar
        bar_count     | integer        | value  | sessions | with a bar
        missing_count | integer        | value  | sessions | loaded, between the first and the last, without a bar
        loaded        | datemultirange | value  |          | unbroken runs of sessions with a bar, each from its first session to the day after its last
        updated_at    | timestamptz    | origin |          | when this row last changed
        """
    ),
    "session_loads": _columns(
        """
        date             | date        | key     |      | New York session date
        status           | text        | value   |      | see below
        received         | integer     | value   | rows | of the answer; `stored + rejected`
        stored           | integer     | value   | rows | of the grouped answer that stand in `daily_bars`
        rejected         | integer     | value   | rows | in `rejected_bars`
        revised          | integer     | value   | bars | that the last write changed or removed
        content_hash     | text        | value?  |      | [fingerprint](#fingerprints) of the stored answer; null where the stored bars are not those of one answer
        final            | boolean     | value   |      | `daily` does not fetch it again
        source           | text        | origin  |      | `grouped`
        fetched_at       | timestamptz | origin  |      | when the answer was asked for
        run_id           | text        | origin? |      | the run that wrote it
        first_fetched_at | timestamptz | origin? |      | when the first answer that was stored was asked for
        empty_on         | date[]      | own     |      | days of empty answers
        covered          | boolean     | own     |      | known to `data_coverage`
        answered         | integer     | value   | rows | usable ones of that answer, also those that an answer about a symbol replaced since: the measure of a later one
        """
    ),
    "session_conditions": _columns(
        """
        date      | date | key   |  | a closed session
        condition | text | value |  | `available`, `degraded`, `pending` or `missing`: see [four words](quality.md#four-words-for-a-session)
        """
    ),
    "broken_rules": _columns(
        """
        date      | date        | key     |  | the session
        rule      | text        | key     |  | one of the [quality rules](quality.md)
        severity  | text        | value   |  | `ERROR`: the session is quarantined or was altered; `WARN` or `INFO`
        detail    | text        | value   |  | in which way
        judged_at | timestamptz | origin  |  | when
        run_id    | text        | origin? |  | the run that judged
        """
    ),
    "session_approvals": _columns(
        """
        date         | date        | key    |  | the session
        content_hash | text        | key    |  | the session as it was stored, by its [fingerprint](#fingerprints)
        reason       | text        | value  |  | of `universe approve`
        rules        | text[]      | value  |  | the rules that it broke
        approved_by  | text        | origin |  | the account
        approved_at  | timestamptz | origin |  | when
        """
    ),
    "symbol_loads": _columns(
        """
        symbol     | text           | key    |  | the vendor's ticker, case-sensitive
        loaded     | datemultirange | value  |  | sessions asked of the per-symbol endpoint, bar or none; the newest ones (as many as are revisited) only up to the last bar
        fetched_at | timestamptz    | origin |  | when the newest of them was asked for
        covered    | boolean        | own    |  | known to `data_coverage`
        """
    ),
    "symbol_requests": _columns(
        """
        symbol     | text           | key   |  | the vendor's ticker, case-sensitive
        fetched_at | timestamptz    | key   |  | when it was asked for
        loaded     | datemultirange | value |  | the days that this request was for, and no newer one
        """
    ),
    "bar_revisions": (*_BAR_KEYS, *_BARS[2:], *_REVISED),
    "bar_additions": (
        *_BARS[:2],
        *_columns(
            """
            added_at | timestamptz | value |  | when a bar came in that its session's first load did not have
            """
        ),
    ),
    "refused_answers": _columns(
        """
        id          | bigint      | key     |      | counts up
        dataset     | text        | value   |      | `symbols`, `splits`, `dividends`, `session` or `symbol_bars`
        date        | date        | value?  |      | the session that the answer is about; null for others
        symbol      | text        | value?  |      | the symbol that the answer is about; null for others
        first_date  | date        | value?  |      | first day that was asked for of a symbol, or ex-date of dividends; null for others
        last_date   | date        | value?  |      | the last one; null for others, and for dividends up to all announced ones
        answered_on | date        | value   |      | day of the request in New York
        rows        | integer     | value   | rows | usable ones of the answer
        expected    | integer     | value   | rows | that are stored (of a symbol without any: sessions asked for)
        missing     | text[]      | value   |      | keys of the stored rows that the answer lacks: symbols, or dates of a symbol's bars (where none is stored: sessions)
        refused_at  | timestamptz | origin  |      | when
        run_id      | text        | origin? |      | the run that asked
        reason      | text        | value?  |      | of `universe approve`; null: not approved
        approved_by | text        | origin? |      | the account
        approved_at | timestamptz | origin? |      | when
        stored_at   | timestamptz | origin? |      | when the approved answer was stored, which uses the approval up
        """
    ),
    "rejected_bars": _columns(
        """
        id         | bigint      | key     |  | counts up
        date       | date        | value   |  | session
        symbol     | text        | value?  |  | ticker; null where the row names none
        rule       | text        | value   |  | one of the [rules for rows](vendor.md#rules-for-rows)
        payload    | jsonb       | value   |  | the row under the vendor's names
        fetched_at | timestamptz | origin  |  | when the answer that it came in was asked for
        run_id     | text        | origin? |  | the run that asked
        source     | text        | origin  |  | the answer's endpoint: `grouped` or `symbol`
        """
    ),
    "data_fetch_errors": _columns(
        """
        id          | bigint      | key     |          | counts up
        occurred_at | timestamptz | origin  |          | when the last attempt failed
        endpoint    | text        | value   |          | the path that was asked
        symbol      | text        | value?  |          | what it was about; null for sessions and lists
        date        | date        | value?  |          | what it was about; null for lists
        kind        | text        | value   |          | one of the [kinds of failure](vendor.md#kinds-of-failure)
        http_status | integer     | value?  |          | where there was one
        message     | text        | value   |          | what the vendor or the connection said
        attempts    | integer     | value   | requests | that were made
        retryable   | boolean     | value   |          | whether asking again is useful
        run_id      | text        | origin? |          | the run that asked
        resolved_at | timestamptz | value?  |          | when a later load succeeded; null: open
        until       | date        | value?  |          | the last day that was asked for of a symbol, from `date` on (`retry` asks for these), or of a window of dividends
        dataset     | text        | value   |          | one of the [datasets](vendor.md#datasets): what was asked for
        """
    ),
    "universe_snapshots": (
        _TAKEN_AT,
        *_columns(
            """
            symbols       | integer | value   | symbols | of both lists
            active        | integer | value   | symbols | of the active list
            by_type       | jsonb   | value   | symbols | of each type
            by_exchange   | jsonb   | value   | symbols | of each exchange
            content_hash  | text    | value   |         | [fingerprint](#fingerprints) of the lists
            run_id        | text    | origin? |         | the run that discovered
            without_figi  | integer | value?  | symbols | without a composite FIGI
            without_cik   | integer | value?  | symbols | without a CIK
            revised       | integer | value?  | symbols | that changed
            rejected      | integer | value?  | rows    | that broke a rule
            absent_fields | jsonb   | value?  |         | by column how many known values the lists no longer hold, with examples; the known values stay
            """
        ),
    ),
    "symbol_revisions": (*_SYMBOLS[:-2], *_REVISED),
    "rejected_symbols": _columns(
        """
        id         | bigint      | key     |  | counts up
        symbol     | text        | value?  |  | ticker; null where the row names none
        active     | boolean     | value   |  | whether it stood in the list of active tickers
        rule       | text        | value   |  | one of the [rules for reference lists](vendor.md#reference-lists)
        payload    | jsonb       | value   |  | the row as the vendor sent it
        fetched_at | timestamptz | origin  |  | when the list was asked for
        run_id     | text        | origin? |  | the run that asked
        """
    ),
    "split_snapshots": (
        _TAKEN_AT,
        *_columns(
            """
            endpoint     | text    | origin |        | the path that was asked
            splits       | integer | value  | splits | usable ones
            added        | integer | value  | splits | that are new
            changed      | integer | value  | splits | that are others now
            removed      | integer | value  | splits | that the list no longer has
            rejected     | integer | value  | rows   | that broke a rule
            content_hash | text    | value  |        | [fingerprint](#fingerprints) of the list
            """
        ),
        _RUN_ID,
    ),
    "split_revisions": (*_SPLITS[:-2], *_REVISED),
    "rejected_splits": _columns(
        """
        id             | bigint      | key     |  | counts up
        symbol         | text        | value?  |  | ticker; null where the row names none
        execution_date | date        | value?  |  | null where the row has none
        rule           | text        | value   |  | one of the [rules for splits](vendor.md#splits)
        payload        | jsonb       | value   |  | the row under the vendor's names
        fetched_at     | timestamptz | origin  |  | when the list was asked for
        run_id         | text        | origin? |  | the run that asked
        """
    ),
    "dividend_snapshots": (
        _TAKEN_AT,
        *_columns(
            """
            first_date   | date    | key    |           | first ex-date that was asked for
            last_date    | date    | value? |           | the last one; null: all announced ones, too
            endpoint     | text    | origin |           | the path that was asked
            dividends    | integer | value  | dividends | usable ones
            added        | integer | value  | dividends | that are new
            changed      | integer | value  | dividends | that are others now
            removed      | integer | value  | dividends | that the answer no longer has
            rejected     | integer | value  | rows      | that broke a rule
            content_hash | text    | value  |           | [fingerprint](#fingerprints) of the answer
            """
        ),
        _RUN_ID,
    ),
    "dividend_revisions": (*_DIVIDENDS[:-2], *_REVISED),
    "rejected_dividends": _columns(
        """
        id           | bigint      | key     |  | counts up
        symbol       | text        | value?  |  | ticker; null where the row names none
        ex_date      | date        | value?  |  | null where the row has none, or one that was not asked for
        rule         | text        | value   |  | one of the [rules for dividends](vendor.md#dividends)
        payload      | jsonb       | value   |  | the row under the vendor's names
        window_start | date        | own     |  | first ex-date that was asked for
        fetched_at   | timestamptz | origin  |  | when the answer that it came in was asked for
        run_id       | text        | origin? |  | the run that asked
        """
    ),
    "securities": _columns(
        """
        security_id      | bigint      | key    |  | its permanent number
        security_key     | text        | value  |  | first symbol @ first session as it was first seen: `FB@2012-05-18`; never changed
        composite_figi   | text        | value? |  | the newest one that a list gave; not unique
        share_class_figi | text        | value? |  | likewise
        cik              | text        | value? |  | likewise
        merged_into      | bigint      | value? |  | the security that it turned out to be; null: it stands for itself
        created_at       | timestamptz | origin |  | when it was first seen
        """
    ),
    "listings": _LISTINGS,
    "listing_revisions": (*_LISTINGS[:-1], *_REVISED),
    "listing_evidence": _columns(
        """
        symbol           | text        | key    |  | the vendor's ticker, case-sensitive
        first_on         | date        | key    |  | first day that it speaks of; of `delisted_list`: the day of the delisting
        last_on          | date        | value  |  | the last one
        source           | text        | key    |  | `discovery` (the list of active tickers), `delisted_list`, `dated_list`, `event`
        name             | text        | value? |  | the name that the list gives
        type             | text        | value? |  | the vendor's type code
        primary_exchange | text        | value? |  | ISO code (MIC)
        cik              | text        | value? |  | the issuer's SEC number
        composite_figi   | text        | value? |  | composite OpenFIGI identifier
        share_class_figi | text        | value? |  | share class OpenFIGI identifier
        list_date        | date        | value? |  | when the vendor says that it was listed
        doubtful         | boolean     | value  |  | whether a list of that day had several rows that differ
        changed_at       | timestamptz | origin |  | when it came in, or its days were last divided
        """
    ),
    "listing_overrides": _columns(
        """
        id           | bigint      | key     |  | counts up; of two that differ the later one holds
        kind         | text        | value   |  | `join`: two listings are of one security; `split`: from `day` on the symbol is another security's
        symbol       | text        | value   |  | the symbol
        day          | date        | value   |  | a day of the listing; of a split: the first day of the later one
        other_symbol | text        | value?  |  | of a join: the other symbol
        other_day    | date        | value?  |  | of a join: a day of the other listing
        reason       | text        | value   |  | of `universe listings join` or `split`
        made_by      | text        | origin? |  | the account
        made_at      | timestamptz | origin  |  | when
        """
    ),
    "listing_states": _columns(
        """
        symbol      | text        | key    |  | the vendor's ticker, case-sensitive
        last_date   | date        | own    |  | its last session when it was judged
        loaded_hash | bigint      | own    |  | of its runs in `data_coverage` up to then
        judged_at   | timestamptz | origin |  | when
        """
    ),
    "dated_lists": _columns(
        """
        date     | date        | key     |         | the day that the list is of
        tickers  | integer     | value   | tickers | that were active
        taken_at | timestamptz | origin  |         | when it was asked for
        run_id   | text        | origin? |         | the run that asked
        """
    ),
    "rule_results": _columns(
        """
        id         | bigint      | key     |  | counts up
        judged_at  | timestamptz | origin  |  | when
        occasion   | text        | value   |  | `load` or `verification`
        rule       | text        | value   |  | one of the [quality rules](quality.md)
        severity   | text        | value   |  | `ERROR`, `WARN` or `INFO`
        first_date | date        | value?  |  | the first session that was judged; null for rules about the reference list
        last_date  | date        | value?  |  | the last one
        offenders  | integer     | value   |  | how often the rule was broken
        examples   | jsonb       | value   |  | the worst ones, at most 50: `date`, `symbol`, `detail`
        run_id     | text        | origin? |  | the run that judged
        """
    ),
    "load_jobs": _columns(
        """
        name         | text        | key     |  | see below
        kind         | text        | value   |  | `historical`, `daily`, `symbols`, `retry`
        start_date   | date        | value   |  | first session
        end_date     | date        | value   |  | last session
        symbols      | text[]      | value?  |  | null unless it is about chosen symbols
        sessions     | date[]      | value?  |  | null unless it is about chosen sessions of the range, as a retry or a daily update is
        status       | text        | value   |  | `in_progress`, `completed`, `failed`, `interrupted`
        started_at   | timestamptz | origin  |  | when it first began
        last_updated | timestamptz | origin  |  | its last sign of life
        fresh_since  | timestamptz | own?    |  | set by `clear-checkpoint`: earlier fetches do not count
        run_id       | text        | origin? |  | the run that loads or loaded it
        """
    ),
    "daily_counters": _columns(
        """
        day     | date | key |  | the day, in UTC
        counter | text | key |  | `requests` or `stage_seconds`
        subject | text | key |  | the endpoint of requests, or the stage
        outcome | text | key |  | of requests: `ok`, `not_published`, `unread`, or a `kind` of `data_fetch_errors`; else empty
        amount  | double precision | value |  | requests, or seconds, of all processes together
        """
    ),
    "alerts": _columns(
        """
        id           | bigint      | key    |  | counts up
        key          | text        | value  |  | what it is about, like `session_late` or `run_failed daily_update`: one open row each
        kind         | text        | value  |  | one of the [kinds of alert](alerts.md#kinds)
        severity     | text        | value  |  | `ERROR` or `WARN`
        level        | integer     | value  |  | how bad it is, from 1; the alert is sent again when it rises
        opened_at    | timestamptz | origin |  | when it was found
        last_seen_at | timestamptz | origin |  | when it was last found to be so
        sent_at      | timestamptz | value? |  | when a way out last sent it
        closed_at    | timestamptz | value? |  | when it was over; null: open
        text         | text        | value  |  | what, since when, and why
        repair       | text        | value  |  | the command that repairs it
        page         | text        | value  |  | path of the Dagster page about it
        """
    ),
    "alert_deliveries": _columns(
        """
        alert_id     | bigint      | key   |  | the alert
        way          | text        | key   |  | `log`, `url` or `mail`
        level        | integer     | value |  | of the alert when it was last sent; 0: never
        sent_at      | timestamptz | value? |  | when it was last sent
        resolved_at  | timestamptz | value? |  | when its end was sent
        failures     | integer     | own   |  | attempts that failed since the last one that did not
        failed_at    | timestamptz | own?  |  | when the last one failed
        leased_until | timestamptz | own?  |  | until then one process may send
        """
    ),
    "heartbeats": _columns(
        """
        date         | date        | key    |  | the session of a good evening
        sent_at      | timestamptz | value? |  | when `UNIVERSE_HEARTBEAT_URL` was called
        failures     | integer     | own    |  | attempts that failed
        failed_at    | timestamptz | own?   |  | when the last one failed
        leased_until | timestamptz | own?   |  | until then one process may send
        """
    ),
    "nyse_sessions": _columns(
        """
        date  | date | key   |  | a session of the exchange calendar
        until | date | value |  | where the next session begins
        """
    ),
    "chosen_types": _columns(
        """
        type | text | key |  | a code by which this session filters
        """
    ),
    "universe_types": _columns(
        """
        type | text | key |  | a code of `UNIVERSE_TYPES`, as the first load ran with
        """
    ),
    "vendor_of_record": _columns(
        """
        vendor      | text        | key    |  | what filled this database; one of which nothing is stored gives way to the next
        recorded_at | timestamptz | origin |  | when it first did
        """
    ),
    "request_slots": _columns(
        """
        slot   | integer     | key |  | as many as requests a minute
        due    | timestamptz | own |  | when a request may take it
        set_at | timestamptz | own |  | when `due` was set
        """
    ),
    "request_pause": _columns(
        """
        id     | integer     | key |  | 1
        until  | timestamptz | own |  | until when a 429 stops all requests
        set_at | timestamptz | own |  | when `until` was set
        """
    ),
    "hosts": _columns(
        """
        host                | text        | key    |            | short name of a machine or container
        requests_per_minute | integer     | value  |            | its `POLYGON_RATE_LIMIT` when it asked last; 0: unpaced
        release             | text        | value  |            | the release with which it asked last
        used_at             | timestamptz | origin |            | when; after three days the row is deleted
        """
    ),
    "report_page": _columns(
        """
        id       | integer     | key    |  | 1
        html     | bytea       | value  |  | the page, UTF-8 compressed by gzip
        sessions | integer     | value  |  | how many it covers
        made_at  | timestamptz | origin |  | when it was made
        host     | text        | origin |  | the host that made it
        """
    ),
    "universe_schema_version": _columns(
        """
        version_num | text | key |  | the migration that the schema stands at
        """
    ),
}


def names(table: str, *roles: Role) -> tuple[str, ...]:
    """A table's columns in order: all, or those of some roles."""
    return tuple(column.name for column in COLUMNS[table] if not roles or column.role in roles)


def frame_schema(table: str, *roles: Role) -> pl.Schema:
    """The same as the columns of a frame."""
    chosen = names(table, *roles)
    return pl.Schema({each.name: each.polars for each in COLUMNS[table] if each.name in chosen})
