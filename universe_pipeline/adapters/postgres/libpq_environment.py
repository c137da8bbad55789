"""libpq's environment variables (PGHOST, PGSERVICE …) are about a server of the user's own."""

import os

from psycopg.pq import Conninfo

_OF_SESSIONS = ("PGDATESTYLE", "PGTZ", "PGGEQO", "PGSERVICEFILE", "PGSYSCONFDIR", "PGLOCALEDIR")
"""Those that libpq reads besides the ones that it lists as defaults of connection parameters."""


def forget() -> None:
    """Remove them from this process, before it connects to the embedded server.

    libpq applies them to every connection that does not name the parameter itself, and some
    (PGSERVICE) cannot be overridden. Processes started from here do not inherit them either.
    """
    listed = (option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar)
    for variable in (*listed, *_OF_SESSIONS):
        os.environ.pop(variable, None)
