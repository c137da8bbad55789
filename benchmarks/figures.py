"""What came out, and what was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of a figure's ratio, or of its value."""

    limit: float
    of: Literal["ratio", "value"] = "ratio"
    at_least: bool = False

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:g}{' x' if self.of == 'ratio' else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, with its floor."""

    part: str
    what: str
    value: float
    unit: str
    floor: float | None = None
    """In the same unit; what `against` names."""
    ratio: float | None = None
    against: str = "floor"
    target: Target | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        judged = self.ratio if self.target.of == "ratio" else self.value
        assert judged is not None
        return judged >= self.target.limit if self.target.at_least else judged <= self.target.limit


def cells(figure: Figure) -> tuple[str, ...]:
    """A figure as the columns of `COLUMNS`."""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} x {figure.against}"
    floor = "" if figure.floor is None else number(figure.floor)
    met = {None: "", True: "yes", False: "NO"}[figure.is_met]
    asked = "" if figure.target is None else str(figure.target)
    return (
        figure.part, figure.what, number(figure.value), figure.unit, floor, ratio, asked, met,
    )  # fmt: skip


_WHOLE = 100
"""From here on digits after the point say nothing."""

COLUMNS = ("part", "figure", "value", "unit", "compared with", "ratio", "asked", "met")


def number(value: float) -> str:
    """Three digits that say something."""
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.3g}"


def text_table(figures: Sequence[Figure]) -> str:
    """All figures, aligned for a terminal."""
    rows = [COLUMNS, *map(cells, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)
