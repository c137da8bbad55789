"""How often Dagster's daemon looks for backfills, and for those that have ended.

Its 30 seconds are a constant, which no setting reaches: a year, loaded in ten, would seem to take a
minute. A look costs three small queries. Tests fail when a release reads the constant otherwise.
"""

import sys

SECONDS = 3


def shorten() -> None:
    """In the daemon's process let its loops come round more often; elsewhere do nothing."""
    controller = sys.modules.get("dagster._daemon.controller")
    if controller is not None:
        vars(controller)["DEFAULT_DAEMON_INTERVAL_SECONDS"] = SECONDS
