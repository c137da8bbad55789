"""`status --check`: what needs a person, for cron, systemd and probes; needs no daemon."""

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.alerts import open_keys
from universe_pipeline.cli.exits import DONE, FAILED
from universe_pipeline.cli.terminal import result
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.monitoring.conditions import conditions, newest_due
from universe_pipeline.settings import Settings


def check_conditions(settings: Settings) -> int:
    """Print a line for each thing that needs a person, or one that there is none."""
    with wiring.reading(settings) as connection:
        now = wiring.now(settings)
        found = conditions(connection, wiring.alert_scope(settings), now, open_keys(connection))
    for one in found:
        result(visible(one))
    if not found:
        result(f"ok: nothing needs a person; sessions are due up to {newest_due(now)}")
    return FAILED if found else DONE
