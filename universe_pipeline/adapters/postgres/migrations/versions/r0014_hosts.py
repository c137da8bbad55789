"""What every host needs of the others: the report that one of them made, and how each asks."""

from alembic import op

revision = "0014"
down_revision = "0013"

SCHEMA = """
CREATE TABLE report_page (
    id       integer PRIMARY KEY CHECK (id = 1),
    html     bytea NOT NULL,
    sessions integer NOT NULL CHECK (sessions >= 0),
    made_at  timestamptz NOT NULL,
    host     text NOT NULL
);
ALTER TABLE report_page ALTER COLUMN html SET STORAGE EXTERNAL;
COMMENT ON TABLE report_page IS 'The page that the newest verification made; one row.';
COMMENT ON COLUMN report_page.html IS 'UTF-8, compressed by gzip';

CREATE TABLE hosts (
    host                text COLLATE "C" PRIMARY KEY,
    requests_per_minute integer NOT NULL CHECK (requests_per_minute >= 0),
    release             text NOT NULL,
    used_at             timestamptz NOT NULL
);
COMMENT ON TABLE hosts IS
    'The limit and the release with which each host asked the vendor last.';
COMMENT ON COLUMN hosts.requests_per_minute IS '0: unpaced';
"""


def upgrade() -> None:
    """No host has asked, and no report is kept."""
    op.execute(SCHEMA)
