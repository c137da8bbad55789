"""Writes the parts of docs/session-states.md from `domain/session_state.py`: `make tables`."""

import inspect
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from universe_pipeline.domain.session_state import (
    TRANSITIONS,
    Event,
    SessionStatus,
    Source,
    Transition,
)

DOCS = Path(__file__).parents[1] / "docs" / "session-states.md"

_PART = re.compile(r"(<!-- (?P<part>\w+): `make tables` -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)


def written(docs: str) -> str:
    """The docs, with each part between its markers.

    Raises:
        KeyError: no such part is known.
    """
    parts = {
        "diagram": diagram,
        "statuses": lambda: _meanings("status", SessionStatus),
        "events": lambda: _meanings("event", Event),
        "transitions": transitions,
    }
    return _PART.sub(lambda found: found[1] + parts[found["part"]]() + found[4], docs)


def diagram() -> str:
    """The state machine in Mermaid, without the events that leave the status as it is."""
    labels: dict[tuple[Source, SessionStatus], list[str]] = {}
    for (source, event), each in TRANSITIONS.items():
        if source is not each.status:
            labels.setdefault((source, each.status), []).append(event.value)
    lines = [
        f"    {source or '[*]'} --> {target}: {', '.join(events)}\n"
        for (source, target), events in labels.items()
    ]
    return f"```mermaid\nstateDiagram-v2\n{''.join(lines)}```\n"


def transitions() -> str:
    """Every transition, sources with the same effects in one row."""
    sources: dict[tuple[Event, Transition], list[Source]] = {}
    for (source, event), each in TRANSITIONS.items():
        sources.setdefault((event, each), []).append(source)
    return _table(
        ["event", "from", "to", "`final`", "`covered`", "`empty_on`"],
        (_row(event, each, found) for (event, each), found in sources.items()),
    )


def _row(event: Event, each: Transition, sources: Iterable[Source]) -> list[str]:
    names = ", ".join(f"`{source}`" if source else "no row" for source in sources)
    effects = (each.final, each.covered, each.empty_days)
    return [event, names, f"`{each.status}`", *(effect.value for effect in effects)]


def _meanings(head: str, words: type[StrEnum]) -> str:
    """The members of an enum, with their docstrings."""
    documented = dict(re.findall(r'    (\w+) = "[^"]+"\n    """(.*?)"""', inspect.getsource(words)))
    rows = ([each.value, documented[each.name]] for each in words)
    return _table([head, "meaning"], rows)


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [heads, ["---"] * len(heads), *rows])


if __name__ == "__main__":
    DOCS.write_text(written(DOCS.read_text()))
