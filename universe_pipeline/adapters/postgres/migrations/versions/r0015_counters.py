"""What loads count: requests by endpoint and outcome, seconds by stage."""

from alembic import op

revision = "0015"
down_revision = "0014"

SCHEMA = """
CREATE TABLE daily_counters (
    day     date NOT NULL,
    counter text COLLATE "C" NOT NULL CHECK (counter IN ('requests', 'stage_seconds')),
    subject text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    amount  double precision NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (day, counter, subject, outcome)
) WITH (fillfactor = 50);
COMMENT ON TABLE daily_counters IS
    'What loads have counted, by day: requests by endpoint and outcome, seconds by stage.';
COMMENT ON COLUMN daily_counters.subject IS 'endpoint of requests, stage of stage_seconds';
COMMENT ON COLUMN daily_counters.outcome IS 'of requests; empty for stage_seconds';
"""


def upgrade() -> None:
    """Nothing was counted before."""
    op.execute(SCHEMA)
