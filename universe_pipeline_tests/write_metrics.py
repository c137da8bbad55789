"""Writes the table of docs/metrics.md from `monitoring/metrics.py`: `make tables`."""

import re
from pathlib import Path

from universe_pipeline.monitoring.metrics import METRICS

DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"

MARKED = re.compile(r"(<!-- metrics: `make tables` -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)


def written(docs: str) -> str:
    """The docs, with every metric between the markers."""
    return MARKED.sub(lambda found: found[1] + table() + found[3], docs)


def table() -> str:
    """All metrics in Markdown."""
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} "
        f"| {one.meaning} |\n"
        for one in METRICS
    ]
    return "".join(["| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n", *rows])


if __name__ == "__main__":
    DOCS.write_text(written(DOCS.read_text()))
