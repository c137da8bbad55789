"""Whether anybody is connected to the embedded server, attached or not."""

import psycopg

BUSY = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()
    )
"""


def has_clients(url: str) -> bool:
    """Whether the server has connections besides this look; True when it cannot say."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            found = connection.execute(BUSY).fetchone()
    except psycopg.Error:
        return True  # Starting, or out of connections.
    return found is None or bool(found[0])
