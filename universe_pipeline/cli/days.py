"""Days in messages."""

from collections.abc import Collection, Sequence
from datetime import date

from universe_pipeline.domain.sessions import runs_of

NAMED = 5
"""Spans of sessions that a line names before it says "…"."""


def span(first: date, last: date) -> str:
    """One day, or the first and the last of several."""
    return f"{first}" if first == last else f"{first} to {last}"


def spans(days: Collection[date], among: Sequence[date]) -> str:
    """Days as unbroken spans of the ordered sessions `among`; the first five of them."""
    runs = runs_of(sorted(days), among)
    return ", ".join(span(*run) for run in runs[:NAMED]) + (" …" if len(runs) > NAMED else "")
