"""`python -m benchmarks.picture FOLDER`, in `.venv-bench`: figures (JSON on stdin) as pictures.

results-light.svg and results-dark.svg have no background of their own.
"""

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Only `.venv-bench` has it, so that type checkers do not see it.
matplotlib: Any = importlib.import_module("matplotlib")
matplotlib.use("svg")
pyplot: Any = importlib.import_module("matplotlib.pyplot")

Row = Mapping[str, Any]

OURS, OTHERS = "#2f81f7", "#8b949e"
INK = {"light": "#1f2328", "dark": "#e6edf3"}
LOADS = {
    "floor": ("COPY of encoded rows",),
    "loader": ("load",),
    "distance": None,
    "dagster": ("all steps",),
    "peers": None,
}
"""Figures of each part that are drawn; None: all."""
NAMES = {"load": "loader", "all steps": "Dagster run with all checks"}


def main(folder: str) -> None:
    """Draw both."""
    rows: list[Row] = json.load(sys.stdin)
    matplotlib.rcParams.update({"svg.hashsalt": "universe", "font.size": 10})
    for theme, ink in INK.items():
        colours = dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ink
        )
        with pyplot.rc_context(colours):
            figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.6))
            _draw_loads(left, rows)
            _draw_reads(right, rows)
            figure.tight_layout(w_pad=3)
            figure.savefig(
                Path(folder) / f"results-{theme}.svg", transparent=True, metadata={"Date": None}
            )
            pyplot.close(figure)


def _is_ours(row: Row) -> bool:
    return row["part"] in ("loader", "dagster") or row["what"].startswith("load, ")


def _draw_loads(axes: Any, rows: Sequence[Row]) -> None:
    drawn = [
        row
        for row in rows
        if row["part"] in LOADS and row["what"] in (LOADS[row["part"]] or (row["what"],))
    ]
    ratios = [row["value"] / row["floor"] for row in drawn]
    colours = [OURS if _is_ours(row) else OTHERS for row in drawn]
    names = [NAMES.get(row["what"], row["what"]) for row in drawn]
    bars = axes.barh(names, ratios, color=colours)
    axes.bar_label(bars, [f"{ratio:.1f}" for ratio in ratios], padding=3)
    axes.invert_yaxis()
    axes.set_title("A session loaded, in times the floor", loc="left")
    _bare(axes)
    axes.set_xlim(0, max(ratios) * 1.1)


def _draw_reads(axes: Any, rows: Sequence[Row]) -> None:
    drawn = [row for row in rows if row["part"] == "reads" and row["unit"] == "ms"]
    drawn = [row for row in drawn if "universe_bars" not in row["what"]]
    names = [row["what"] for row in drawn]
    axes.scatter(
        [row["floor"] for row in drawn], names, color=OTHERS, s=60, label="reference layout"
    )
    axes.scatter([row["value"] for row in drawn], names, color=OURS, s=28, label="this project")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.invert_yaxis()
    axes.set_title("Reads over 5 years of bars, ms", loc="left")
    axes.grid(axis="x", alpha=0.25)
    axes.legend(frameon=False, loc="upper right")
    _bare(axes)


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
