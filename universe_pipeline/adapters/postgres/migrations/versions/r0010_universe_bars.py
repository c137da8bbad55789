"""`universe_bars` is one join: what it needs of types and quarantined sessions it reads once."""

from alembic import op

revision = "0010"
down_revision = "0009"

SKIPS = 18
"""From this PostgreSQL on an index is searched for its second column by skipping over its first."""

# Types as in `chosen_types`, not from it: planning its DISTINCT takes 3 % of a read of a symbol.
SCHEMA = """
CREATE INDEX symbols_by_type ON symbols (type, symbol);
CREATE INDEX session_loads_quarantined ON session_loads (date) WHERE status = 'quarantined';

CREATE OR REPLACE VIEW universe_bars AS
SELECT {symbol}, b.date, b.open, b.high, b.low, b.close, b.volume, b.vwap, b.transactions, b.source
FROM daily_bars b
JOIN symbols s ON s.symbol = b.symbol
WHERE s.type = ANY (ARRAY(
    SELECT btrim(type) FROM unnest(coalesce(
        string_to_array(nullif(current_setting('universe.types', true), ''), ','),
        ARRAY(SELECT type FROM universe_types)
    )) AS type
))
  AND b.date <> ALL (ARRAY(SELECT date FROM session_loads WHERE status = 'quarantined'));
"""


def upgrade() -> None:
    """The rows stay. Which side of the join gives the symbol decides where a list of them goes.

    Given to `symbols`, a hundred symbols are looked up in the bars one by one, which joins no row
    by itself. A server that cannot skip reads all of the open quarter for each; there the list
    goes to the bars, and their rows are joined.
    """
    version = op.get_bind().dialect.server_version_info or (0,)
    op.execute(SCHEMA.format(symbol="s.symbol" if version[0] >= SKIPS else "b.symbol"))
