"""The picture that a run leaves in `daily_bars`: how many bars each of the last sessions holds.

Dagster plots numbers by itself (Metadata, Plots), but only after a click, and only the newest
partitions that there are. A drawing in Markdown is shown at once, about what the run loaded.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise

import dagster as dg

PLOTTED = 100
"""Sessions in a plot. The UI shows Markdown of up to 999 characters at once, more on a click."""

STEP, HEIGHT = 4, 50
"""All steps together are as wide as the drawing; a wider one would not fit the asset's page."""

DRAWING = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 400 80' width='400'"
    " font-family='sans-serif' font-size='10' fill='#888'>"  # grey: the page may be light or dark
    "<path fill='none' stroke='#7169ec' stroke-width='2' d='M0 15{line}'/>"
    "<text y='9'>{low:,} to {high:,} bars</text>"
    "<text y='79'>{first}</text><text x='400' y='79' text-anchor='end'>{last}</text></svg>"
)


def bars_per_session(bars: Mapping[date, int]) -> dg.MarkdownMetadataValue:
    """A drawing of the bars of up to `PLOTTED` sessions, in order; one without any is a gap."""
    loaded = [count for count in bars.values() if count]
    low, high = min(loaded, default=0), max(loaded, default=0)
    line = _line(list(bars.values()), low, high)
    drawing = DRAWING.format(line=line, low=low, high=high, first=min(bars), last=max(bars))
    escaped = drawing.replace("<", "%3C").replace(">", "%3E").replace("#", "%23")
    return dg.MetadataValue.md(f"![bars per session](<data:image/svg+xml,{escaped}>)")


def _line(counts: Sequence[int], low: int, high: int) -> str:
    """A step for each count, from the top, which is `high`; relative, which keeps it short."""
    path, depth = "", 0
    for before, count in pairwise([0, *counts]):
        if count:
            deeper = round(HEIGHT * (high - count) / max(high - low, 1)) - depth
            path += f"{'v' if before else 'm0 '}{deeper}h{STEP}"
            depth += deeper
        else:
            path += f"m{STEP} 0"
    return path
