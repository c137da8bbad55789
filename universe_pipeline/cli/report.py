"""`report`: what is loaded, and what the rules say of it, as one page to look at."""

from datetime import date
from pathlib import Path

from universe_pipeline import wiring
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import result
from universe_pipeline.reporting.report import make_report, require_file, write
from universe_pipeline.settings import settings


def report(output: Path, start: date | None, end: date | None) -> int:
    """Make the report of a range (default: all that is stored), and write it to a file.

    Raises:
        UsageError: it cannot be written there, or the range holds no closed session.
    """
    require_file(output)
    wanted = wiring.wanted_report(settings(), start, end)
    with wiring.open_database(settings()).connect() as connection:
        made = make_report(connection, wanted)
    size = write(output, made.html)
    result(f"{output}  {size / 1e6:,.2f} MB, {made.sessions:,} sessions")
    return DONE
