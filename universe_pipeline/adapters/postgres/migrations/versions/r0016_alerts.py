"""Alerts: what needs a person, what each way out has sent of it, and the pings of good evenings."""

from alembic import op

revision = "0016"
down_revision = "0015"

SCHEMA = """
CREATE TABLE alerts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          text COLLATE "C" NOT NULL,
    kind         text NOT NULL,
    severity     text NOT NULL CHECK (severity IN ('ERROR', 'WARN')),
    level        integer NOT NULL CHECK (level > 0),
    opened_at    timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    sent_at      timestamptz,
    closed_at    timestamptz,
    text         text NOT NULL,
    repair       text NOT NULL,
    page         text NOT NULL
);
CREATE UNIQUE INDEX alerts_open ON alerts (key) WHERE closed_at IS NULL;
COMMENT ON TABLE alerts IS
    'What needs a person, from when it was found until it was over; closed rows stay.';
COMMENT ON COLUMN alerts.level IS 'how bad it is, from 1: when it rises, the alert is sent again';
COMMENT ON COLUMN alerts.closed_at IS 'null: open';

CREATE TABLE alert_deliveries (
    alert_id     bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
    way          text COLLATE "C" NOT NULL CHECK (way IN ('log', 'url', 'mail')),
    level        integer NOT NULL,
    sent_at      timestamptz,
    resolved_at  timestamptz,
    failures     integer NOT NULL,
    failed_at    timestamptz,
    leased_until timestamptz,
    PRIMARY KEY (alert_id, way)
);
COMMENT ON TABLE alert_deliveries IS 'What each way out has sent of an alert.';
COMMENT ON COLUMN alert_deliveries.level IS 'of the alert when it was last sent; 0: never';
COMMENT ON COLUMN alert_deliveries.leased_until IS
    'until then one process may send; by the clock of the database';

CREATE TABLE heartbeats (
    date         date PRIMARY KEY,
    sent_at      timestamptz,
    failures     integer NOT NULL,
    failed_at    timestamptz,
    leased_until timestamptz
);
COMMENT ON TABLE heartbeats IS
    'The sessions of good evenings, for each of which UNIVERSE_HEARTBEAT_URL is called once.';
"""


def upgrade() -> None:
    """Nothing is open at first: the sensor finds what is."""
    op.execute(SCHEMA)
