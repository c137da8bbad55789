"""This machine's name: the same in the log, in `pg_stat_activity`, in tables and in alerts."""

import re
import socket

MOST = 24
"""Characters of a name: a connection's name, of which it is a part, has 63."""


def host_name() -> str:
    """Short, and of characters that PostgreSQL leaves as they are."""
    name = re.sub(r"[^!-9;-~]", "?", socket.gethostname().split(".")[0]) or "?"
    if len(name) <= MOST:
        return name
    end = MOST // 2  # by its end, one pod differs from another
    return f"{name[: MOST - end - 1]}~{name[-end:]}"
