"""Fingerprints of sessions are made otherwise: forget the old ones, which nothing equals."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """A session without one is compared row by row when it is fetched again, and gets a new one."""
    op.execute("UPDATE session_loads SET content_hash = NULL")
