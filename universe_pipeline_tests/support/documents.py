"""README.md and the pages of docs/, also those in folders, as tests read them."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text()
    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
}
"""Their texts by their paths; README.md first."""

TEXT = "\n\n".join(PAGES.values())


def blocks(language: str, text: str = TEXT) -> list[str]:
    """What stands in the fenced blocks of a language, each once, in the order of the pages."""
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return list(dict.fromkeys(found))


def table_below(page: str, heading: str) -> list[list[str]]:
    """The cells of the rows that begin with code, of the tables below a heading of a page."""
    section = PAGES[page].split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as the site and code hosts make them."""
    prose = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
