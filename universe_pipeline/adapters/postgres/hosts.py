"""`hosts`: at which limit, and with which release, each host asked the vendor last.

All hosts keep one pace only if their limits are alike. A process that has ended left no connection
that would name its limit: its host's row does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version

import psycopg

from universe_pipeline.adapters.host import host_name

RECENT = timedelta(days=3)
"""What a host used longer ago is forgotten: containers have a new name with each run."""

_NAMED = 3
"""Most hosts that a line names for one value."""


@dataclass(frozen=True, slots=True)
class Host:
    """How a host asked last."""

    name: str
    requests_per_minute: int
    """0: unpaced."""
    release: str
    used_at: datetime


def record(connection: psycopg.Connection, per_minute: int) -> None:
    """Record that this host asks at that limit from now on; forget hosts that no longer ask."""
    connection.execute(
        """
        INSERT INTO hosts (host, requests_per_minute, release, used_at)
        VALUES (%s, %s, %s, clock_timestamp())
        ON CONFLICT (host) DO UPDATE SET
            requests_per_minute = excluded.requests_per_minute, release = excluded.release,
            used_at = excluded.used_at
        """,
        (host_name(), per_minute, version("universe-pipeline")),
    )
    connection.execute("DELETE FROM hosts WHERE used_at < clock_timestamp() - %s", (RECENT,))


def hosts(connection: psycopg.Connection) -> list[Host]:
    """The hosts that asked within the last days, by name."""
    found = connection.execute(
        "SELECT host, requests_per_minute, release, used_at FROM hosts"
        " WHERE used_at >= clock_timestamp() - %s ORDER BY host",
        (RECENT,),
    )
    return [Host(*row) for row in found]


def differences(known: Sequence[Host]) -> list[str]:
    """A line for the limit and one for the release, where they are not alike on all hosts."""
    limits = _by_value(known, lambda host: at_most(host.requests_per_minute))
    releases = _by_value(known, lambda host: f"release {host.release}")
    lines: list[str] = []
    if len(limits) > 1:
        said = "; ".join(limits)
        lines.append(f"hosts ask at different limits: {said}. Set POLYGON_RATE_LIMIT alike on all")
    if len(releases) > 1:
        said = "; ".join(releases)
        lines.append(f"hosts run different releases: {said}. Install the same on all")
    return lines


def at_most(limit: int) -> str:
    """A limit in words."""
    return f"{limit} a minute" if limit else "unpaced"


def _by_value(known: Sequence[Host], value: Callable[[Host], str]) -> list[str]:
    """Each value, and the hosts that have it."""
    names: dict[str, list[str]] = {}
    for host in known:
        names.setdefault(value(host), []).append(host.name)
    return [f"{one} on {_listed(names[one])}" for one in sorted(names)]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join([*names[:_NAMED], *([f"{more} more"] if more > 0 else [])])
