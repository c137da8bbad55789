"""The palette: names in the drawings, values in the page's style sheet, for light and for dark."""

PALETTE: dict[str, tuple[str, str]] = {
    "page": ("#fdfdfc", "#16181b"),
    "ink": ("#1d2125", "#e4e6e8"),
    "muted": ("#5d656d", "#9ba3ab"),
    "line": ("#d9dcdf", "#343a40"),
    "shade": ("#f1f2f2", "#1f2226"),
    "accent": ("#1f5f99", "#6fb1e8"),
    "band": ("#dbe6f0", "#22364a"),
    "available": ("#8fc4ad", "#2f7560"),
    "degraded": ("#e3a83a", "#d99a2b"),
    "quarantined": ("#c0392f", "#e0685d"),
    "pending": ("#86a8d8", "#4a6fa5"),
    "glyph": ("#1d2125", "#0e1012"),
    "lasting": ("#c4d6e6", "#2b4763"),
    "ended": ("#b9793f", "#c08a58"),
    "error": ("#b3261e", "#f0837a"),
    "warn": ("#a96f00", "#dda23a"),
}
"""Light and dark; text on `page` has a contrast of 4.5 at least."""

MIDDLE = {
    "page": "#ffffff",
    "ink": "#808488",
    "muted": "#808488",
    "line": "#9aa0a66b",
    "shade": "#80848833",
    "accent": "#3f86c6",
    "band": "#3f86c63b",
    "available": "#5fa78d",
    "glyph": "#16181b",
    "lasting": "#3f86c666",
}
"""For pictures that must do on both, as in Dagster's UI; where none is given, the light one."""


def variable(name: str) -> str:
    """The colour as the style sheet names it.

    Raises:
        KeyError: there is none of that name.
    """
    _ = PALETTE[name]
    return f"var(--{name})"


def in_the_middle(drawing: str) -> str:
    """A drawing with colours of its own instead of the style sheet's."""
    for name, (light, _) in PALETTE.items():
        drawing = drawing.replace(f"var(--{name})", MIDDLE.get(name, light))
    return drawing
