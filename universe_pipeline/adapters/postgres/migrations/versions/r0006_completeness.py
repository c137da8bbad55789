"""Answers refused as too small, what discoveries changed, severity INFO, clocks set back."""

from alembic import op

revision = "0006"
down_revision = "0005"

SCHEMA = """
CREATE TABLE refused_answers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset     text NOT NULL CHECK (dataset IN ('symbols', 'splits', 'session', 'symbol_bars')),
    date        date,
    symbol      text COLLATE "C",
    first_date  date,
    last_date   date,
    answered_on date NOT NULL,
    rows        integer NOT NULL,
    expected    integer NOT NULL,
    missing     text[] NOT NULL,
    refused_at  timestamptz NOT NULL DEFAULT now(),
    run_id      text,
    reason      text,
    approved_by text,
    approved_at timestamptz,
    stored_at   timestamptz,
    CHECK ((dataset = 'session') = (date IS NOT NULL)),
    CHECK (num_nulls(symbol, first_date, last_date)
           = CASE dataset WHEN 'symbol_bars' THEN 0 ELSE 3 END),
    UNIQUE NULLS NOT DISTINCT
        (dataset, date, symbol, first_date, last_date, answered_on, stored_at)
        DEFERRABLE  -- judged at the end of a statement, which may shift all days
);
COMMENT ON TABLE refused_answers IS
    'Answers too small to replace what is stored: one row a day until an answer is stored.';
COMMENT ON COLUMN refused_answers.first_date IS
    'the first session that was asked for of a symbol; each range has rows of its own';
COMMENT ON COLUMN refused_answers.missing IS
    'keys of the stored rows that the answer lacks: symbols, or dates of a symbol''s bars';
COMMENT ON COLUMN refused_answers.stored_at IS
    'when the approved answer was stored, which uses the approval up; null: it still counts';

CREATE TABLE symbol_revisions (
    symbol           text COLLATE "C" NOT NULL,
    name             text NOT NULL,
    type             text,
    primary_exchange text,
    currency         text,
    cik              text,
    composite_figi   text,
    share_class_figi text,
    active           boolean NOT NULL,
    delisted_date    date,
    last_updated_utc timestamptz,
    believed_from    timestamptz NOT NULL,
    replaced_at      timestamptz NOT NULL,
    run_id           text,
    PRIMARY KEY (symbol, replaced_at)
);
COMMENT ON TABLE symbol_revisions IS
    'The values of symbols that a later discovery changed, and from when to when they were there.';

CREATE TABLE rejected_symbols (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol     text COLLATE "C",
    active     boolean NOT NULL,
    rule       text NOT NULL,
    payload    jsonb NOT NULL,
    fetched_at timestamptz NOT NULL,
    run_id     text
);
COMMENT ON TABLE rejected_symbols IS 'Rows of the newest reference lists that broke a rule.';
COMMENT ON COLUMN rejected_symbols.active IS 'whether it stood in the list of active tickers';

ALTER TABLE universe_snapshots
    ADD COLUMN revised integer, ADD COLUMN rejected integer, ADD COLUMN absent_fields jsonb;
COMMENT ON COLUMN universe_snapshots.absent_fields IS
    'known values that the lists no longer hold and that are kept, by column: count and examples';

ALTER TABLE session_loads ADD COLUMN answered integer NOT NULL DEFAULT 0;
UPDATE session_loads SET answered = stored;
COMMENT ON COLUMN session_loads.answered IS
    'usable rows of the grouped answer that is stored, also those that a symbol''s answer replaced';

ALTER TABLE request_slots ADD COLUMN set_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE request_pause ADD COLUMN set_at timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN request_slots.set_at IS
    'when due was set: it lies ahead of a clock that was set back since';

ALTER TABLE data_fetch_errors ADD COLUMN until date;
COMMENT ON COLUMN data_fetch_errors.until IS
    'the last day that was asked for of a symbol, from `date` on; null: unknown, or one session';

ALTER TABLE rule_results DROP CONSTRAINT rule_results_severity_check,
    ADD CONSTRAINT rule_results_severity_check CHECK (severity IN ('ERROR', 'WARN', 'INFO'));
ALTER TABLE broken_rules DROP CONSTRAINT broken_rules_severity_check,
    ADD CONSTRAINT broken_rules_severity_check CHECK (severity IN ('ERROR', 'WARN', 'INFO'));
"""


def upgrade() -> None:
    """Create them."""
    op.execute(SCHEMA)
