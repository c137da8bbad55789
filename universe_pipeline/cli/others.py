"""Other processes on the database: which locks they hold, and at what pace they ask."""

from collections.abc import Sequence
from typing import Any

from universe_pipeline.adapters.postgres.holders import Holder
from universe_pipeline.adapters.postgres.hosts import Host, at_most


def lock_lines(held: Sequence[Holder]) -> list[str]:
    """A heading and a line a lock; nothing where none is held."""
    return (
        ["", "held by other processes", *(f"  {one.lock}: {one}" for one in held)] if held else []
    )


def lock_document(holder: Holder) -> dict[str, Any]:
    """A lock in `status --json`."""
    return {
        "lock": holder.lock,
        "command": holder.application.command,
        "host": holder.application.host,
        "process": holder.application.process,
        "address": holder.address,
        "since": holder.since and holder.since.isoformat(),
    }


def pace_documents(paces: Sequence[Holder]) -> list[dict[str, Any]]:
    """The processes that ask the vendor, each with its limit."""
    return [
        {
            "command": one.application.command,
            "host": one.application.host,
            "process": one.application.process,
            "requests_per_minute": one.application.per_minute,
        }
        for one in paces
    ]


def host_documents(known: Sequence[Host]) -> list[dict[str, Any]]:
    """How each host asked the vendor last, in `status --json`."""
    return [
        {
            "host": one.name,
            "requests_per_minute": one.requests_per_minute,
            "release": one.release,
            "used_at": one.used_at.isoformat(),
        }
        for one in known
    ]


def different_limits(limit: int, paces: Sequence[Holder]) -> list[str]:
    """A line for each process whose limit is another than the `limit` here."""
    return [
        f"{one} asks {at_most(one.application.per_minute or 0)}, here the limit is "
        f"{at_most(limit)}: set POLYGON_RATE_LIMIT alike on all machines"
        for one in paces
        if one.application.per_minute != limit
    ]
