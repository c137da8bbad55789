"""Securities and listings: which company a symbol meant on which day, and what says so."""

from alembic import op

revision = "0012"
down_revision = "0011"

SKIPS = 18
"""From this PostgreSQL on an index is searched for its second column by skipping over its first."""

# A range of one value: GiST compares ranges on every server, and text only with an extension that
# hosted servers may refuse.
SCHEMA = """
CREATE TYPE symbol_range AS RANGE (SUBTYPE = text, COLLATION = "C");

CREATE TABLE securities (
    security_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    security_key     text COLLATE "C" NOT NULL UNIQUE,
    composite_figi   text,
    share_class_figi text,
    cik              text,
    merged_into      bigint REFERENCES securities DEFERRABLE INITIALLY DEFERRED,
    created_at       timestamptz NOT NULL
);
COMMENT ON TABLE securities IS
    'What keeps its identity under any symbol. An id is never given twice and never deleted.';
COMMENT ON COLUMN securities.security_key IS
    'first symbol @ first session when it was first seen; never changed';
COMMENT ON COLUMN securities.merged_into IS
    'the security that this one turned out to be; null: it stands for itself';

CREATE TABLE listings (
    security_id      bigint NOT NULL REFERENCES securities DEFERRABLE INITIALLY DEFERRED,
    symbol           text COLLATE "C" NOT NULL,
    name             text NOT NULL,
    type             text,
    primary_exchange text,
    valid_from       date NOT NULL,
    valid_to         date CHECK (valid_to > valid_from),
    end_reason       text CHECK (end_reason IN ('delisted', 'renamed', 'unknown')),
    evidence         text NOT NULL CHECK (
        evidence IN ('figi', 'cik', 'event', 'bars', 'list', 'owner', 'unknown')),
    believed_from    timestamptz NOT NULL,
    PRIMARY KEY (security_id, valid_from),
    CHECK ((valid_to IS NULL) = (end_reason IS NULL)),
    CONSTRAINT listings_symbol_once EXCLUDE USING gist (
        symbol_range(symbol, symbol, '[]') WITH =, daterange(valid_from, valid_to) WITH &&),
    CONSTRAINT listings_security_once EXCLUDE USING gist (
        int8range(security_id, security_id, '[]') WITH =, daterange(valid_from, valid_to) WITH &&)
);
CREATE INDEX listings_of_symbol ON listings (symbol, valid_from);
CREATE INDEX listings_by_type ON listings (type, symbol)
    INCLUDE (valid_from, valid_to, security_id);
COMMENT ON TABLE listings IS
    'A security under one symbol, from a session to before another: never two of a symbol, nor of '
    'a security, on a day.';
COMMENT ON COLUMN listings.valid_to IS 'exclusive; null: still listed';
COMMENT ON COLUMN listings.evidence IS
    'what ties it to its security; unknown: nothing does, and it is a security of its own';

CREATE TABLE listing_revisions (
    security_id      bigint NOT NULL,
    symbol           text COLLATE "C" NOT NULL,
    name             text NOT NULL,
    type             text,
    primary_exchange text,
    valid_from       date NOT NULL,
    valid_to         date,
    end_reason       text,
    evidence         text NOT NULL,
    believed_from    timestamptz NOT NULL,
    replaced_at      timestamptz NOT NULL,
    run_id           text,
    PRIMARY KEY (security_id, valid_from, replaced_at)
);
COMMENT ON TABLE listing_revisions IS
    'Listings that later evidence changed or removed, and from when to when they were believed.';

CREATE TABLE listing_evidence (
    symbol           text COLLATE "C" NOT NULL,
    first_on         date NOT NULL,
    last_on          date NOT NULL CHECK (last_on >= first_on),
    source           text NOT NULL,
    name             text,
    type             text,
    primary_exchange text,
    cik              text,
    composite_figi   text,
    share_class_figi text,
    list_date        date,
    doubtful         boolean NOT NULL DEFAULT false,
    changed_at       timestamptz NOT NULL,
    PRIMARY KEY (symbol, source, first_on)
);
COMMENT ON TABLE listing_evidence IS
    'What a list said of a symbol: one row while its lists, in order of their days, say the same.';
COMMENT ON COLUMN listing_evidence.first_on IS
    'the first day that it speaks of; of delisted_list: the day of the delisting';

CREATE TABLE listing_overrides (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('join', 'split')),
    symbol       text COLLATE "C" NOT NULL,
    day          date NOT NULL,
    other_symbol text COLLATE "C",
    other_day    date,
    reason       text NOT NULL,
    made_by      text,
    made_at      timestamptz NOT NULL,
    CHECK ((kind = 'join') = (other_symbol IS NOT NULL)),
    CHECK ((other_symbol IS NULL) = (other_day IS NULL))
);
COMMENT ON TABLE listing_overrides IS
    'The owner''s word: two listings are of one security, or two begin where one was. It outranks '
    'all evidence, and of two that differ the later one holds.';

CREATE TABLE listing_states (
    symbol      text COLLATE "C" PRIMARY KEY,
    last_date   date NOT NULL,
    loaded_hash bigint NOT NULL,
    judged_at   timestamptz NOT NULL
);
COMMENT ON TABLE listing_states IS
    'From which coverage each symbol''s listings were last judged.';

CREATE TABLE dated_lists (
    date     date PRIMARY KEY,
    tickers  integer NOT NULL,
    taken_at timestamptz NOT NULL,
    run_id   text
);
COMMENT ON TABLE dated_lists IS
    'Lists of the tickers that were active on a day, which listing_evidence holds.';

-- What the lists said until this release: of the lists that are stored, and of changed symbols.
INSERT INTO listing_evidence
    (symbol, first_on, last_on, source, name, type, primary_exchange, cik, composite_figi,
     share_class_figi, changed_at)
SELECT symbol, day, day, source, name, type, primary_exchange, cik, composite_figi,
       share_class_figi, now()
FROM (
    SELECT *, (last_seen_at AT TIME ZONE 'America/New_York')::date AS day, 'discovery' AS source
    FROM symbols WHERE active
    UNION ALL
    SELECT *, delisted_date, 'delisted_list' FROM symbols WHERE NOT active
) AS listed
WHERE day IS NOT NULL;
INSERT INTO listing_evidence
    (symbol, first_on, last_on, source, name, type, primary_exchange, cik, composite_figi,
     share_class_figi, changed_at)
SELECT symbol, day, day, 'discovery', name, type, primary_exchange, cik, composite_figi,
       share_class_figi, now()
FROM (SELECT *, (believed_from AT TIME ZONE 'America/New_York')::date AS day FROM symbol_revisions)
     AS changed
WHERE active
ORDER BY replaced_at
ON CONFLICT DO NOTHING;
"""

TYPES = """ARRAY(
    SELECT btrim(type) FROM unnest(coalesce(
        string_to_array(nullif(current_setting('universe.types', true), ''), ','),
        ARRAY(SELECT type FROM universe_types)
    )) AS type
)"""

# Which of the two an execution reads is known before it reads bars: the other part is never run.
VIEW = """
CREATE OR REPLACE VIEW universe_bars AS
SELECT {symbol}, b.date, b.open, b.high, b.low, b.close, b.volume, b.vwap, b.transactions, b.source,
       l.security_id
FROM daily_bars b
JOIN (
    SELECT symbol, type, valid_from, coalesce(valid_to, 'infinity'::date) AS valid_to, security_id
    FROM listings
    UNION ALL
    SELECT symbol, type, '-infinity'::date, 'infinity'::date, NULL::bigint FROM symbols
    WHERE NOT (SELECT EXISTS (SELECT FROM listings))
) l ON l.symbol = b.symbol AND b.date >= l.valid_from AND b.date < l.valid_to
WHERE l.type = ANY ({types})
  AND b.date <> ALL (ARRAY(SELECT date FROM session_loads WHERE status = 'quarantined'));
COMMENT ON VIEW universe_bars IS
    'Bars whose symbol was listed on their day with one of the universe''s types, by listings. '
    'Until listings are built: by the type that symbols has today, and security_id is null.';
"""

UNIVERSE_ON = """
CREATE FUNCTION universe_on(day date)
RETURNS TABLE (
    security_id bigint, symbol text, name text, type text, primary_exchange text,
    valid_from date, valid_to date, evidence text
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT security_id, symbol, name, type, primary_exchange, valid_from, valid_to, evidence
FROM listings
WHERE valid_from <= day AND coalesce(valid_to, 'infinity') > day
  AND type = ANY ({types})
$$;
COMMENT ON FUNCTION universe_on(date) IS
    'The listings of the universe''s types that were valid on a day.';
"""


def upgrade() -> None:
    """The views show the same rows until listings are built.

    Which side of the join gives the symbol decides where a list of them goes: see 0010.
    """
    version = op.get_bind().dialect.server_version_info or (0,)
    symbol = "l.symbol" if version[0] >= SKIPS else "b.symbol"
    op.execute(SCHEMA)
    op.execute(VIEW.format(symbol=symbol, types=TYPES))
    op.execute(UNIVERSE_ON.format(types=TYPES))
