"""`securities` and `listings`: what was judged replaces what stood, and revisions keep that."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from universe_pipeline.adapters.postgres.identity import known as evidence
from universe_pipeline.adapters.postgres.identity.prices import StoredMarket
from universe_pipeline.adapters.postgres.locks import LISTINGS_LOCK, hold_until_commit
from universe_pipeline.domain.listings.judging import Security, judge
from universe_pipeline.domain.listings.numbering import Numbered, Stored, number


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh judged and changed."""

    judged: int
    """Symbols."""
    changed: int
    """Listings that are new or differ, and ones that are gone."""


def refresh(
    connection: psycopg.Connection, run_id: str | None = None, *, whole: bool = False
) -> Refreshed:
    """Judge the symbols again of which anything changed, or all, in one transaction.

    Args:
        connection: to read and write.
        run_id: the run that judges.
        whole: judge all.
    """
    with connection.transaction():
        hold_until_commit(connection, LISTINGS_LOCK)
        symbols = None if whole else evidence.changed(connection)
        if symbols == []:
            return Refreshed(0, 0)
        given = evidence.known(connection, symbols)
        securities = judge(given, StoredMarket(connection, given.calendar))
        numbered = _number(connection, securities, symbols)
        _stage(connection, securities, numbered)
        changed = _replace(connection, numbered, symbols, run_id)
        judged = _remember(connection, symbols)
    return Refreshed(judged, changed)


_STORED = """
    SELECT security_id, symbol, valid_from, valid_to FROM listings
    WHERE %(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s)
    """

_ELSEWHERE = """
    SELECT DISTINCT security_id FROM listings
    WHERE %(symbols)s::text[] IS NOT NULL AND symbol <> ALL (%(symbols)s)
    """


def _number(
    connection: psycopg.Connection, securities: Sequence[Security], symbols: list[str] | None
) -> Numbered:
    given = {"symbols": symbols}
    stored = [Stored(*row) for row in connection.execute(_STORED, given)]
    keys = dict(connection.execute("SELECT security_id, security_key FROM securities").fetchall())
    elsewhere = {row[0] for row in connection.execute(_ELSEWHERE, given)}
    return number(securities, stored, keys, elsewhere)


def _stage(
    connection: psycopg.Connection, securities: Sequence[Security], numbered: Numbered
) -> None:
    connection.execute(
        'CREATE TEMPORARY TABLE judged_securities (security_key text COLLATE "C", n bigint,'
        " composite_figi text, share_class_figi text, cik text) ON COMMIT DROP;"
        " CREATE TEMPORARY TABLE judged ON COMMIT DROP AS"
        " SELECT security_key, symbol, name, type, primary_exchange, valid_from, valid_to,"
        " end_reason, evidence FROM listings JOIN securities USING (security_id) WITH NO DATA"
    )
    keyed = list(zip(numbered.keys, securities, strict=True))
    with connection.cursor() as cursor:
        with cursor.copy("COPY judged_securities FROM STDIN") as copy:
            for n, (key, each) in enumerate(keyed):
                copy.write_row((key, n, each.composite_figi, each.share_class_figi, each.cik))
        with cursor.copy("COPY judged FROM STDIN") as copy:
            for key, security in keyed:
                for each in security.listings:
                    copy.write_row(
                        (
                            key,
                            each.symbol,
                            each.name,
                            each.type,
                            each.primary_exchange,
                            each.valid_from,
                            each.valid_to,
                            each.end_reason,
                            each.evidence,
                        )
                    )
    connection.execute("ANALYZE judged_securities; ANALYZE judged")


_ADD_SECURITIES = """
    INSERT INTO securities (security_key, composite_figi, share_class_figi, cik, created_at)
    SELECT security_key, composite_figi, share_class_figi, cik, now() FROM judged_securities j
    WHERE NOT EXISTS (SELECT FROM securities s WHERE s.security_key = j.security_key) ORDER BY n
    """

_UPDATE_SECURITIES = """
    UPDATE securities s
    SET composite_figi = j.composite_figi, share_class_figi = j.share_class_figi, cik = j.cik,
        merged_into = NULL
    FROM judged_securities j
    WHERE s.security_key = j.security_key
      AND (s.composite_figi, s.share_class_figi, s.cik, s.merged_into)
          IS DISTINCT FROM (j.composite_figi, j.share_class_figi, j.cik, NULL)
    """

_MERGE = """
    UPDATE securities s SET merged_into = kept.security_id
    FROM unnest(%(gone)s::bigint[], %(keys)s::text[]) AS merged (gone, key)
    JOIN securities kept ON kept.security_key = merged.key
    WHERE merged.gone IN (s.security_id, s.merged_into)
    """

_IS_REPLACED = """
    (%(symbols)s::text[] IS NULL OR l.symbol = ANY (%(symbols)s))
    AND NOT EXISTS (
        SELECT FROM judged j JOIN securities s USING (security_key)
        WHERE s.security_id = l.security_id AND j.valid_from = l.valid_from
          AND (j.symbol, j.name, j.type, j.primary_exchange, j.valid_to, j.end_reason, j.evidence)
              IS NOT DISTINCT FROM
              (l.symbol, l.name, l.type, l.primary_exchange, l.valid_to, l.end_reason, l.evidence)
    )
    """

_REVISE = f"""
    INSERT INTO listing_revisions
    SELECT l.*, now(), %(run_id)s FROM listings l WHERE {_IS_REPLACED}
    """

_REMOVE = f"DELETE FROM listings l WHERE {_IS_REPLACED}"

_ADD = """
    INSERT INTO listings
    SELECT s.security_id, j.symbol, j.name, j.type, j.primary_exchange, j.valid_from, j.valid_to,
           j.end_reason, j.evidence, now()
    FROM judged j JOIN securities s USING (security_key)
    WHERE NOT EXISTS (
        SELECT FROM listings l
        WHERE l.security_id = s.security_id AND l.valid_from = j.valid_from
    )
    """


def _replace(
    connection: psycopg.Connection,
    numbered: Numbered,
    symbols: list[str] | None,
    run_id: str | None,
) -> int:
    given = {"symbols": symbols, "run_id": run_id}
    connection.execute(_ADD_SECURITIES)
    connection.execute(_UPDATE_SECURITIES)
    merged = {"gone": list(numbered.merged), "keys": list(numbered.merged.values())}
    connection.execute(_MERGE, merged)
    connection.execute(_REVISE, given)
    removed = connection.execute(_REMOVE, given).rowcount
    added = connection.execute(_ADD).rowcount
    connection.execute("DROP TABLE judged, judged_securities")
    if added > _MANY:  # what follows plans by their statistics, which autovacuum brings later
        connection.execute("ANALYZE securities; ANALYZE listings")
    return max(removed, added)


_MANY = 1_000
"""Listings that are new or differ, from which on the planner must know of them."""

_REMEMBER = """
    INSERT INTO listing_states (symbol, last_date, loaded_hash, judged_at)
    SELECT symbol, last_date, hash_multirange_extended(loaded, 0), clock_timestamp()
    FROM data_coverage WHERE %(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s)
    ON CONFLICT (symbol) DO UPDATE
    SET (last_date, loaded_hash, judged_at)
        = (excluded.last_date, excluded.loaded_hash, excluded.judged_at)
    """

_FORGET = """
    DELETE FROM listing_states j
    WHERE NOT EXISTS (SELECT FROM data_coverage c WHERE c.symbol = j.symbol)
    """


def _remember(connection: psycopg.Connection, symbols: list[str] | None) -> int:
    connection.execute(_FORGET)
    return connection.execute(_REMEMBER, {"symbols": symbols}).rowcount
