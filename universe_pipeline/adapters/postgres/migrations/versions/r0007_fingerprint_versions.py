"""Fingerprints name their version; those of lists are made otherwise, and the old ones marked."""

from alembic import op

revision = "0007"
down_revision = "0006"

SCHEMA = """
UPDATE session_loads SET content_hash = '1:' || content_hash;
UPDATE session_approvals SET content_hash = '1:' || content_hash;
UPDATE universe_snapshots SET content_hash = '0:' || content_hash;
UPDATE split_snapshots SET content_hash = '0:' || content_hash;

COMMENT ON COLUMN session_loads.content_hash IS
    'fingerprint of the stored answer: version, colon, 32 hexadecimal digits; see docs/data.md';
COMMENT ON COLUMN session_approvals.content_hash IS 'fingerprint of the session as it was stored';
COMMENT ON COLUMN universe_snapshots.content_hash IS
    'fingerprint of the list; of version 0, as older releases made it, it compares with no other';
COMMENT ON COLUMN split_snapshots.content_hash IS
    'fingerprint of the list; of version 0, as older releases made it, it compares with no other';
"""


def upgrade() -> None:
    """What a session's fingerprint of release 0006 is made of is what version 1 defines."""
    op.execute(SCHEMA)
