"""Dividends: those that hold now, what a later answer changed, and what was not usable."""

from alembic import op

revision = "0011"
down_revision = "0010"

SCHEMA = """
CREATE TABLE dividends (
    symbol            text COLLATE "C" NOT NULL,
    ex_date           date NOT NULL,
    n                 smallint NOT NULL CHECK (n > 0),
    cash_amount       double precision NOT NULL CHECK (cash_amount > 0 AND cash_amount < 1e6),
    currency          text,
    distribution_type text,
    frequency         smallint,
    declaration_date  date,
    record_date       date,
    pay_date          date,
    fetched_at        timestamptz NOT NULL,
    believed_from     timestamptz NOT NULL,
    PRIMARY KEY (symbol, ex_date, n)
);
CREATE INDEX dividends_by_ex_date ON dividends (ex_date);
COMMENT ON TABLE dividends IS
    'Every usable cash dividend of the vendor, announced ones included; fetched by windows of '
    'ex-dates. All rows of a symbol and day together are what a share paid.';
COMMENT ON COLUMN dividends.ex_date IS
    'from the open of this session on, a buyer does not receive it; after today: announced';
COMMENT ON COLUMN dividends.n IS
    'counts the different dividends of one symbol and day, by amount, currency and type';
COMMENT ON COLUMN dividends.cash_amount IS
    'currency a share, as declared: not adjusted for later splits';
COMMENT ON COLUMN dividends.currency IS 'ISO code; null: the vendor sends none';
COMMENT ON COLUMN dividends.distribution_type IS
    'as the vendor sends it: recurring, special, supplemental, irregular, unknown ...';
COMMENT ON COLUMN dividends.frequency IS
    'payments a year, as the vendor sends it; 0: irregular or unknown';
COMMENT ON COLUMN dividends.fetched_at IS 'when the window that holds it was last asked for';
COMMENT ON COLUMN dividends.believed_from IS 'since when it stands here as it does';

CREATE TABLE dividend_revisions (
    symbol            text COLLATE "C" NOT NULL,
    ex_date           date NOT NULL,
    n                 smallint NOT NULL,
    cash_amount       double precision NOT NULL,
    currency          text,
    distribution_type text,
    frequency         smallint,
    declaration_date  date,
    record_date       date,
    pay_date          date,
    believed_from     timestamptz NOT NULL,
    replaced_at       timestamptz NOT NULL,
    run_id            text,
    PRIMARY KEY (symbol, ex_date, n, replaced_at)
);
COMMENT ON TABLE dividend_revisions IS
    'Dividends that a later answer changed or no longer has, and from when to when they were '
    'believed.';

CREATE TABLE dividend_snapshots (
    taken_at     timestamptz NOT NULL,
    first_date   date NOT NULL,
    last_date    date,
    endpoint     text NOT NULL,
    dividends    integer NOT NULL,
    added        integer NOT NULL,
    changed      integer NOT NULL,
    removed      integer NOT NULL,
    rejected     integer NOT NULL,
    content_hash text NOT NULL,
    run_id       text,
    PRIMARY KEY (taken_at, first_date)
);
COMMENT ON TABLE dividend_snapshots IS 'One row a window of ex-dates that came in whole.';
COMMENT ON COLUMN dividend_snapshots.last_date IS
    'last ex-date that was asked for; null: all announced ones, too';

CREATE FUNCTION dividends_complete_since() RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT lower(span) FROM (
    SELECT unnest(range_agg(DISTINCT daterange(first_date, last_date, '[]'))) AS span
    FROM dividend_snapshots
) AS stored
WHERE upper_inf(span)
$$;
COMMENT ON FUNCTION dividends_complete_since() IS
    'The ex-date from which on every window was read, announced ones included; null: none.';

CREATE TABLE rejected_dividends (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol       text COLLATE "C",
    ex_date      date,
    rule         text NOT NULL,
    payload      jsonb NOT NULL,
    window_start date NOT NULL,
    fetched_at   timestamptz NOT NULL,
    run_id       text
);
COMMENT ON TABLE rejected_dividends IS
    'Rows that broke a rule, of the newest answer about each day.';
COMMENT ON COLUMN rejected_dividends.window_start IS
    'first ex-date that was asked for in the answer that holds it';

ALTER TABLE refused_answers
    DROP CONSTRAINT refused_answers_dataset_check,
    DROP CONSTRAINT refused_answers_check1,
    ADD CONSTRAINT refused_answers_dataset_check
        CHECK (dataset IN ('symbols', 'splits', 'dividends', 'session', 'symbol_bars')),
    ADD CONSTRAINT refused_answers_range_check CHECK (CASE dataset
        WHEN 'symbol_bars' THEN num_nulls(symbol, first_date, last_date) = 0
        WHEN 'dividends' THEN symbol IS NULL AND first_date IS NOT NULL
        ELSE num_nulls(symbol, first_date, last_date) = 3 END);
COMMENT ON COLUMN refused_answers.first_date IS
    'the first session that was asked for of a symbol, or ex-date of dividends; each range has '
    'rows of its own';
COMMENT ON COLUMN data_fetch_errors.dataset IS
    'what was asked for: daily_bars, symbol_bars, symbols, splits or dividends';
"""


def upgrade() -> None:
    """Create them."""
    op.execute(SCHEMA)
