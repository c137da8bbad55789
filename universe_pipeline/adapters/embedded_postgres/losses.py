"""Why the embedded server went away in the middle of a load. Clients hear only that it is gone."""

import re
import time

from universe_pipeline.adapters.embedded_postgres.causes import end_of_server, with_advice
from universe_pipeline.adapters.embedded_postgres.folder import ServerFolder

_GONE = re.compile(
    "closed the connection|terminating connection|connection is lost|bad connection|"
    "the database system is|Connection refused|No such file"
)
_FULL = re.compile("No space left|quota|Read-only|Input/output")
_SECONDS_TO_LOG = 0.5
"""A client may hear of the end before PostgreSQL or the supervisor has logged its cause."""

_joined: dict[str, tuple[ServerFolder, int]] = {}


def remember(folder: ServerFolder) -> None:
    """Keep from which byte on the server's log is about our time with it."""
    _joined.setdefault(folder.url, (folder, folder.log_size()))


def explained(url: str, reason: str) -> str:
    """`reason`, with what the server logged where it is an embedded one, and what to do."""
    if url not in _joined:
        return reason
    folder, position = _joined[url]
    if _GONE.search(reason):
        time.sleep(_SECONDS_TO_LOG)
        why = end_of_server(folder.log_since(position))
        if why.split() and " ".join(why.split()) not in " ".join(reason.split()):
            reason = f"{reason} ({why})"
    return with_advice(reason, folder.path) if _FULL.search(reason) else reason
