"""libpq's environment variables (PGHOST, PGSERVICE …) are about a server of the user's own."""

import os
import re

_OF_LIBPQ = re.compile("PG[A-Z]+")
"""Its own list (`Conninfo.get_defaults`) lacks some, such as PGREQUIRESSL and PGTZ, and a psql or
pg_dump of the machine may have a newer libpq, which reads others."""


def forget() -> None:
    """Remove them from this process, before it connects to the embedded server.

    libpq applies them to every connection that does not name the parameter itself, and some
    (PGSERVICE) cannot be overridden. Processes started from here do not inherit them either.
    """
    for variable in filter(_OF_LIBPQ.fullmatch, list(os.environ)):
        os.environ.pop(variable)
