"""Quality: what the rules found, which sessions break them, which a person approved."""

from alembic import op

revision = "0004"
down_revision = "0003"

SCHEMA = """
CREATE TABLE rule_results (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    judged_at  timestamptz NOT NULL,
    occasion   text NOT NULL CHECK (occasion IN ('load', 'verification')),
    rule       text NOT NULL,
    severity   text NOT NULL CHECK (severity IN ('ERROR', 'WARN')),
    first_date date,
    last_date  date,
    offenders  integer NOT NULL,
    examples   jsonb NOT NULL,
    run_id     text
);
CREATE INDEX rule_results_run ON rule_results (run_id);
CREATE INDEX rule_results_rule ON rule_results (rule, judged_at);
COMMENT ON TABLE rule_results IS 'What a rule found in a load or a verification: a row each.';
COMMENT ON COLUMN rule_results.examples IS 'the worst offenders, at most 50: date, symbol, detail';

CREATE TABLE broken_rules (
    date      date NOT NULL,
    rule      text NOT NULL,
    severity  text NOT NULL CHECK (severity IN ('ERROR', 'WARN')),
    detail    text NOT NULL,
    judged_at timestamptz NOT NULL,
    run_id    text,
    PRIMARY KEY (date, rule)
);
COMMENT ON TABLE broken_rules IS 'Which rules for whole sessions a session breaks as it is stored.';

CREATE TABLE session_approvals (
    date         date NOT NULL,
    content_hash text NOT NULL,
    reason       text NOT NULL,
    rules        text[] NOT NULL,
    approved_by  text NOT NULL,
    approved_at  timestamptz NOT NULL,
    PRIMARY KEY (date, content_hash)
);
COMMENT ON TABLE session_approvals IS
    'Quarantined sessions that a person took for right, as they were stored then.';
COMMENT ON COLUMN session_approvals.rules IS 'the rules that the session broke';

ALTER TABLE universe_snapshots ADD COLUMN without_figi integer, ADD COLUMN without_cik integer;

CREATE VIEW session_conditions AS
SELECT k.date,
       CASE WHEN l.status = 'quarantined' THEN 'degraded'
            WHEN l.status = 'loaded' AND EXISTS (
                SELECT FROM broken_rules r WHERE r.date = k.date) THEN 'degraded'
            WHEN l.status = 'loaded' THEN 'available'
            WHEN l.status = 'pending' THEN 'pending'
            ELSE 'missing' END AS condition
FROM nyse_sessions k LEFT JOIN session_loads l ON l.date = k.date
WHERE (k.date + time '16:00') AT TIME ZONE 'America/New_York' <= now();
COMMENT ON VIEW session_conditions IS
    'Every closed NYSE session: available, degraded, pending or missing.';
"""


def upgrade() -> None:
    """Create them."""
    op.execute(SCHEMA)
