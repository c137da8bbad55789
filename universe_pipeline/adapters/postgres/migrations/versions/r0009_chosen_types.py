"""A session's own types filter what it reads; `universe_types` holds those of sessions without."""

from alembic import op

revision = "0009"
down_revision = "0008"

SCHEMA = """
CREATE VIEW chosen_types AS
SELECT DISTINCT btrim(unnest(coalesce(
    string_to_array(nullif(current_setting('universe.types', true), ''), ','),
    ARRAY(SELECT type FROM universe_types)
))) AS type;
COMMENT ON VIEW chosen_types IS
    'The type codes by which this session filters: its setting universe.types, or universe_types.';
COMMENT ON TABLE universe_types IS
    'The type codes of sessions that set none: UNIVERSE_TYPES of the first load.';

CREATE OR REPLACE VIEW universe_bars AS
SELECT b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.vwap, b.transactions, b.source
FROM daily_bars b
JOIN symbols s ON s.symbol = b.symbol
JOIN chosen_types t ON t.type = s.type
WHERE NOT EXISTS (
    SELECT FROM session_loads l WHERE l.date = b.date AND l.status = 'quarantined'
);
"""


def upgrade() -> None:
    """What `universe_types` holds stays.

    Each form of the view was measured: as a UNION it is joined after all bars, not before.
    """
    op.execute(SCHEMA)
