"""When each range of a symbol was asked for: `symbol_loads` knew only when the newest one was."""

from alembic import op

revision = "0005"
down_revision = "0004"

SCHEMA = """
CREATE TABLE symbol_requests (
    symbol     text COLLATE "C" NOT NULL,
    fetched_at timestamptz NOT NULL,
    loaded     datemultirange NOT NULL CHECK (NOT isempty(loaded)),
    PRIMARY KEY (symbol, fetched_at)
);
COMMENT ON TABLE symbol_requests IS
    'symbol_loads by the request: each day belongs to the newest one that was for it.';
COMMENT ON COLUMN symbol_requests.loaded IS
    'days that this request was for, and no newer one; with the symbol''s others: symbol_loads';

INSERT INTO symbol_requests (symbol, fetched_at, loaded)
SELECT symbol, fetched_at, loaded FROM symbol_loads WHERE NOT isempty(loaded);
"""


def upgrade() -> None:
    """Create it; what is there already was asked for, as far as is known, by the newest request."""
    op.execute(SCHEMA)
