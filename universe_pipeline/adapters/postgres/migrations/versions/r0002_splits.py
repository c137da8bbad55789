"""Splits: the list that holds now, what it changed, and what was not usable of it."""

from alembic import op

revision = "0002"
down_revision = "0001"

SCHEMA = """
CREATE TABLE splits (
    symbol          text COLLATE "C" NOT NULL,
    execution_date  date NOT NULL,
    split_from      double precision NOT NULL CHECK (split_from > 0 AND split_from < 'Infinity'),
    split_to        double precision NOT NULL CHECK (split_to > 0 AND split_to < 'Infinity'),
    adjustment_type text,
    fetched_at      timestamptz NOT NULL,
    believed_from   timestamptz NOT NULL,
    PRIMARY KEY (symbol, execution_date)
);
COMMENT ON TABLE splits IS
    'Every usable split of the vendor''s list, announced ones included; swapped whole.';
COMMENT ON COLUMN splits.execution_date IS
    'bars before it are of the old shares; after today: announced, not applied';
COMMENT ON COLUMN splits.fetched_at IS 'when the list that holds it was last asked for';
COMMENT ON COLUMN splits.believed_from IS 'since when it stands here as it does';

CREATE TABLE split_revisions (
    symbol          text COLLATE "C" NOT NULL,
    execution_date  date NOT NULL,
    split_from      double precision NOT NULL,
    split_to        double precision NOT NULL,
    adjustment_type text,
    believed_from   timestamptz NOT NULL,
    replaced_at     timestamptz NOT NULL,
    run_id          text,
    PRIMARY KEY (symbol, execution_date, replaced_at)
);
COMMENT ON TABLE split_revisions IS
    'Splits that a later list changed or no longer has, and from when to when they were believed.';

CREATE TABLE split_snapshots (
    taken_at     timestamptz PRIMARY KEY,
    endpoint     text NOT NULL,
    splits       integer NOT NULL,
    added        integer NOT NULL,
    changed      integer NOT NULL,
    removed      integer NOT NULL,
    rejected     integer NOT NULL,
    content_hash text NOT NULL,
    run_id       text
);
COMMENT ON TABLE split_snapshots IS 'One row a list of splits that came in whole.';

CREATE TABLE rejected_splits (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol         text COLLATE "C",
    execution_date date,
    rule           text NOT NULL,
    payload        jsonb NOT NULL,
    fetched_at     timestamptz NOT NULL,
    run_id         text
);
COMMENT ON TABLE rejected_splits IS 'Rows of the newest list that broke a rule.';

CREATE AGGREGATE split_product (double precision) (
    SFUNC = float8mul, STYPE = double precision, INITCOND = '1', PARALLEL = SAFE
);

CREATE VIEW split_factors AS
SELECT symbol,
       lag(execution_date) OVER onward AS since,
       execution_date AS until,
       split_product(split_from / split_to) OVER onward AS price_factor,
       split_product(split_to / split_from) OVER onward AS volume_factor
FROM splits
WHERE execution_date <= (now() AT TIME ZONE 'America/New_York')::date
WINDOW onward AS (
    PARTITION BY symbol ORDER BY execution_date ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
);
COMMENT ON VIEW split_factors IS
    'What bars on and after since (null: from the first on) and before until are multiplied by to '
    'compare with today''s. Bars after the last until stay as they are.';

CREATE VIEW adjusted_bars AS
SELECT b.symbol, b.date,
       b.open * f.price AS open, b.high * f.price AS high, b.low * f.price AS low,
       b.close * f.price AS close, b.volume * f.volume AS volume, b.vwap * f.price AS vwap,
       b.transactions, b.source, f.price AS price_factor
FROM universe_bars b
LEFT JOIN split_factors s
       ON s.symbol = b.symbol AND b.date < s.until AND (s.since IS NULL OR b.date >= s.since)
CROSS JOIN LATERAL (
    SELECT coalesce(s.price_factor, 1) AS price, coalesce(s.volume_factor, 1) AS volume
) f;
COMMENT ON VIEW adjusted_bars IS
    'universe_bars in today''s shares: by the splits executed up to today in New York, and not by '
    'dividends. They change with every split: keep the bars as traded, not these.';
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(SCHEMA)
