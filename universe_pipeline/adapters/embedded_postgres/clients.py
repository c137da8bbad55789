"""Whether the embedded server has clients, attached or not."""

import psycopg

USED_UP = ("too many clients", "connection slots")
"""Its connections are all taken. A server that refuses otherwise has no clients."""

BUSY = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()
    )
"""


def has_clients(url: str) -> bool:
    """Whether the server has other connections than this one; True if they are used up."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            found = connection.execute(BUSY).fetchone()
    except psycopg.Error as refused:
        return any(said in str(refused) for said in USED_UP)
    return found is None or bool(found[0])
