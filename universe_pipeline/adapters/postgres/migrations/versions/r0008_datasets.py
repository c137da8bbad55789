"""A failed request names what it asked for, so that no reader has to know the vendor's paths."""

from alembic import op

revision = "0008"
down_revision = "0007"

# A symbol is null also where the plan ends at a day, whichever symbol was asked for.
SCHEMA = """
ALTER TABLE data_fetch_errors ADD COLUMN dataset text;
UPDATE data_fetch_errors SET dataset = CASE
    WHEN symbol IS NOT NULL OR until IS NOT NULL OR endpoint ~ '/v2/aggs/ticker/' THEN 'symbol_bars'
    WHEN date IS NOT NULL THEN 'daily_bars'
    WHEN endpoint ~ '/splits$' THEN 'splits'
    ELSE 'symbols' END;
ALTER TABLE data_fetch_errors ALTER COLUMN dataset SET NOT NULL;
COMMENT ON COLUMN data_fetch_errors.dataset IS
    'what was asked for: daily_bars, symbol_bars, symbols or splits';
"""


def upgrade() -> None:
    """Fill the rows of older releases from what they asked."""
    op.execute(SCHEMA)
