"""This machine's name: the same in the log, in `pg_stat_activity`, in tables and in alerts."""

import re
import socket


def host_name() -> str:
    """Short, and of characters that PostgreSQL leaves as they are."""
    return re.sub(r"[^!-9;-~]", "?", socket.gethostname().split(".")[0])[:24] or "?"
