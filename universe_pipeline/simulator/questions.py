"""Reading the parameters of a request, and the vendor's 400 when they make no sense."""

from collections.abc import Mapping
from datetime import date

from universe_pipeline.simulator.answers import UNREADABLE_CURSOR, RefusedError


def only_known(query: Mapping[str, str], known: frozenset[str]) -> None:
    """Refuse parameters that the simulated vendor does not act on, and cursors not its own."""
    if "cursor" in query:
        raise RefusedError(400, UNREADABLE_CURSOR)
    for name in query:
        if name not in known:
            raise RefusedError(400, f"The parameter '{name}' is unknown to the simulated vendor")


def choice(query: Mapping[str, str], name: str, accepted: tuple[str, ...]) -> str:
    """The value of `name`, by default the first accepted one."""
    value = query.get(name, accepted[0])
    if value not in accepted:
        raise RefusedError(400, f"The parameter '{name}' must be one of: {', '.join(accepted)}")
    return value


def whole_number(
    query: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int | None = None
) -> int:
    """The value of `name`, which is refused beyond its bounds, not clamped."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise RefusedError(400, f"The parameter '{name}' must be a whole number")
    if int(text) < least or (most is not None and int(text) > most):
        raise RefusedError(400, f"The parameter '{name}' must be from {least} to {most}")
    return int(text)


def day_of(text: str, name: str) -> date:
    """A day written YYYY-MM-DD."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise RefusedError(400, f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD")
    return day


def decimal_number(text: str, name: str) -> float:
    """A number like 0.25."""
    if not text.replace(".", "", 1).isdecimal():
        raise RefusedError(400, f"The parameter '{name}' must be a number")
    return float(text)
