"""Alerts: what needs a person, and when which message about it is due. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.quality.rules import Severity

REMIND_AFTER = timedelta(days=1)
"""An alert that stays as it is is sent again after so long."""

FIRST_DISTANCE = timedelta(minutes=1)
LONGEST_DISTANCE = timedelta(hours=1)


class Kind(StrEnum):
    """The closed list of what is reported; docs/alerts.md has each with its repair."""

    SESSION_LATE = "session_late"
    """A session is not available at 9:00 in New York on the day after it."""
    SESSION_QUARANTINED = "session_quarantined"
    """A stored session breaks a rule, and is kept from readers."""
    RULE_BROKEN = "rule_broken"
    """A rule of severity ERROR is broken."""
    KEY_REFUSED = "key_refused"
    """The vendor does not accept the API key."""
    RUN_FAILED = "run_failed"
    """A run failed, and nothing tries again by itself."""
    JOB_STUCK = "job_stuck"
    """A living process has not got on with its load job for 15 minutes."""
    TICK_FAILED = "tick_failed"
    """The newest tick of a schedule or sensor failed."""
    DISK_LOW = "disk_low"
    """Less than 10 % of the disk of UNIVERSE_HOME is free."""
    HOSTS_DIFFER = "hosts_differ"
    """Hosts work at different paces, or by different releases."""


class News(StrEnum):
    """What a message says of an alert."""

    OPENED = "opened"
    WORSE = "worse"
    REMINDER = "still"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is so now, and needs a person."""

    kind: Kind
    text: str
    """What, since when, and why: one sentence without a full stop."""
    repair: str
    """The command that repairs it, or what to do."""
    about: str = ""
    """Distinguishes conditions of one kind, such as a job's name."""
    severity: Severity = Severity.ERROR
    level: int = 1
    """How bad it is: when it rises, the alert is sent again."""
    page: str = "/"
    """Path of the Dagster page about it."""

    @property
    def key(self) -> str:
        """Identifies it: one alert is open for it."""
        return f"{self.kind} {self.about}".rstrip()

    def __str__(self) -> str:
        return f"{self.severity} {self.kind}: {self.text}; {self.repair}"


@dataclass(frozen=True, slots=True)
class Alert:
    """A row of `alerts`."""

    id: int
    key: str
    severity: str
    level: int
    opened_at: datetime
    closed_at: datetime | None
    text: str
    repair: str
    page: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one way out has sent of an alert."""

    level: int = 0
    """Of the alert when it was last sent."""
    sent_at: datetime | None = None
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What a way out sends."""

    subject: str
    """One line."""
    text: str


def due(alert: Alert, sent: Delivery, now: datetime) -> News | None:
    """What a way out is to send of an alert, after what it has `sent`.

    The end of an alert that was never sent is not sent either.
    """
    if alert.closed_at is not None:
        is_open_there = sent.sent_at is not None and sent.resolved_at is None
        return News.RESOLVED if is_open_there else None
    if sent.sent_at is None:
        return News.OPENED
    if alert.level > sent.level:
        return News.WORSE
    return News.REMINDER if now - sent.sent_at >= REMIND_AFTER else None


def distance(failures: int) -> timedelta:
    """How long a way out rests after so many failures in a row: a minute, 2, 4 … an hour."""
    return min(FIRST_DISTANCE * 2 ** min(failures - 1, 10), LONGEST_DISTANCE)


def level_of(count: int) -> int:
    """A level that rises each time that `count` doubles."""
    return max(1, count.bit_length())


_HEADS = {
    News.OPENED: "",
    News.WORSE: "worse: ",
    News.REMINDER: "still: ",
    News.RESOLVED: "resolved: ",
}


def message(alert: Alert, news: News, origin: str | None) -> Message:
    """The message about an alert.

    Args:
        alert: the alert.
        news: what is new about it.
        origin: of the Dagster page, like https://dagster.example.com; None: without a link.
    """
    subject = visible(f"universe: {_HEADS[news]}{alert.severity} {alert.key}")
    lines = [f"{subject}: {alert.text}", f"found {_utc(alert.opened_at)}"]
    if news is News.RESOLVED and alert.closed_at is not None:
        lines[1] += f", over {_utc(alert.closed_at)}"
    else:
        lines.append(f"repair: {alert.repair}")
    if origin is not None:
        lines.append(origin + quote(alert.page))
    return Message(subject, "\n".join(lines))


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
