"""Alerts: what needs a person is looked for each minute, and sent."""

from datetime import datetime

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.domain.errors import UniverseError
from universe_pipeline.monitoring import sending
from universe_pipeline.monitoring.conditions import conditions
from universe_pipeline.orchestration.resources import PostgresResource
from universe_pipeline.settings import Settings


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the table `alerts` equal to what needs a person, and sends what is new to "
    "UNIVERSE_ALERT_URL, UNIVERSE_ALERT_MAIL and the log; calls UNIVERSE_HEARTBEAT_URL after each "
    "good evening. It starts no run.",
)
def alert_sensor(postgres: PostgresResource) -> dg.SkipReason:
    """Look once, and say what was found."""
    settings = postgres.settings
    try:
        wiring.open_for_reading(settings)  # a sensor never migrates
        with wiring.database_as_it_is(settings).connect() as connection:
            return dg.SkipReason(report(connection, settings, wiring.now(settings)))
    except UniverseError as error:
        return dg.SkipReason(str(error))


def report(connection: Connection, settings: Settings, now: datetime) -> str:
    """Reconcile the alerts with what is so at `now`, and send what is due; what was done."""
    scope = wiring.alert_scope(settings)
    found = sending.reconcile(
        connection, lambda known: conditions(connection, scope, now, known), now
    )
    ways, origin = wiring.ways_out(settings), settings.universe_page_origin
    sent = sending.send_due(connection, ways, now, origin)
    evening = sending.beat(connection, settings.heartbeat_url, now)
    parts = [f"open alerts: {len(found)}, messages sent: {sent}"]
    if evening is not None:
        parts.append(f"the evening of {evening} was reported as good")
    return "; ".join(parts)
