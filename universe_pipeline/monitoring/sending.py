"""Sends alerts by every way out: each message once, from any number of hosts.

A message is leased before it is sent, and recorded afterwards. A process that ends between the two
leaves a lease that expires: its message is then sent a second time, and no more.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from universe_pipeline.adapters import mail, webhook
from universe_pipeline.adapters.postgres import alerts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.quality.standing import standing
from universe_pipeline.domain.alerts import Alert, Condition, Message, News, due, message
from universe_pipeline.domain.errors import NotSentError, SettingsError
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.domain.sessions import newest_closed

logger = logging.getLogger("universe_pipeline.alerts")

LONGEST_SECONDS = 30.0
"""A pass ends after so long; the next one goes on. Dagster gives a sensor a minute."""

HARMLESS = str.maketrans("<>@", "‹›＠")  # noqa: RUF001  # they look alike, which is their use
"""A chat takes these for links and for calls of people; a text may hold the vendor's words."""

Send = Callable[[Alert, News, Message], None]


@dataclass(frozen=True, slots=True)
class WayOut:
    """A way by which alerts are sent."""

    name: str
    """`log`, `url` or `mail`."""
    send: Send
    """Raises NotSentError, or SettingsError."""


def _log(alert: Alert, news: News, sent: Message) -> None:
    severe = news is not News.RESOLVED and alert.severity == Severity.ERROR
    text = sent.text.removeprefix("universe: ").replace("\n", "; ")
    logger.log(logging.ERROR if severe else logging.WARNING, "%s", text)


LOG = WayOut("log", _log)


def by_url(url: str) -> WayOut:
    """A webhook that takes `{"text": …}`, as those of Slack and its like do."""

    def send(_alert: Alert, _news: News, sent: Message) -> None:
        document = {"text": sent.text.translate(HARMLESS)}
        webhook.call(url, json.dumps(document).encode())

    return WayOut("url", send)


def by_mail(url: str) -> WayOut:
    """A mail a message."""
    box = mail.parse(url)

    def send(_alert: Alert, _news: News, sent: Message) -> None:
        mail.send(box, sent.subject, sent.text)

    return WayOut("mail", send)


def reconcile(
    connection: Connection, read: Callable[[frozenset[str]], Sequence[Condition]], now: datetime
) -> Sequence[Condition]:
    """Let the open alerts be what is so, and return it.

    Args:
        connection: to write.
        read: gives what is so, from the keys of the alerts that are open.
        now: the database's time.
    """
    with connection.transaction():
        alerts.wait_for_turn(connection)
        found = read(alerts.open_keys(connection))
        alerts.reconcile(connection, found, now)
    return found


def send_due(
    connection: Connection, ways: Sequence[WayOut], now: datetime, origin: str | None
) -> int:
    """Send what is due by each way; how many messages were sent.

    A way that fails does not stop the others. It rests, and is tried again.
    """
    until = time.monotonic() + LONGEST_SECONDS
    return sum(
        _send_by(connection, way, now, origin, until)
        for way in ways
        if not alerts.rests(connection, way.name, now)
    )


def _send_by(
    connection: Connection, way: WayOut, now: datetime, origin: str | None, until: float
) -> int:
    sent = 0
    for alert, delivery in alerts.to_report(connection, way.name):
        if due(alert, delivery, now) is None:
            continue
        if time.monotonic() > until:
            break
        try:
            sent += _send_one(connection, way, alert, now, origin)
        except (NotSentError, SettingsError) as error:
            alerts.record_failed(connection, alert, way.name, now)
            logger.warning("no alert was sent by %s, which is tried again: %s", way.name, error)
            break
    return sent


def _send_one(
    connection: Connection, way: WayOut, alert: Alert, now: datetime, origin: str | None
) -> int:
    """Send an alert, unless another process does, or has done so by now."""
    delivery = alerts.lease(connection, alert, way.name)
    if delivery is None:
        return 0
    news = due(alert, delivery, now)
    if news is None:
        alerts.give_back(connection, alert, way.name)
        return 0
    way.send(alert, news, message(alert, news, origin))
    alerts.record_sent(connection, alert, way.name, news, now)
    return 1


def beat(connection: Connection, url: str | None, now: datetime) -> date | None:
    """Call `url` once for each good evening; the session whose evening was reported now.

    An evening is good when its session is loaded and judged, and no rule of severity ERROR is
    broken.
    """
    session = newest_closed(now)
    if url is None or not alerts.awaits_heartbeat(connection, session):
        return None
    if any(one.severity == Severity.ERROR for one in standing(connection).values()):
        return None
    if not alerts.lease_heartbeat(connection, session, now):
        return None
    try:
        webhook.call(url)
    except (NotSentError, SettingsError) as error:
        alerts.end_heartbeat(connection, session, now, sent=False)
        logger.warning("the heartbeat was not sent, and is tried again: %s", error)
        return None
    alerts.end_heartbeat(connection, session, now, sent=True)
    return session
