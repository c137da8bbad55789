"""`report`: what is loaded, and what the rules say of it, as one page to look at."""

from datetime import UTC, date
from pathlib import Path

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.summaries import report_page
from universe_pipeline.adapters.whole_file import replacing, require_ordinary
from universe_pipeline.cli.exits import DONE
from universe_pipeline.cli.terminal import progress_bars, result
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.loading.progress import Step
from universe_pipeline.loading.progress import report as report_step
from universe_pipeline.settings import Settings


def report(settings: Settings, output: Path, start: date | None, end: date | None) -> int:
    """Make the report of a range (default: all that is stored), and write it to a file.

    Raises:
        UsageError: it cannot be written there, or the range holds no closed session.
    """
    result(write_report(settings, output, start, end))
    return DONE


def last_report(settings: Settings, output: Path) -> int:
    """Write the report that the newest verification made, on any host; without one, make it.

    Raises:
        UsageError: it cannot be written there.
    """
    require_ordinary(output)
    with wiring.reading(settings) as connection:
        kept = report_page.kept(connection)
    if kept is None:
        return report(settings, output, None, None)
    with replacing(output) as file:
        file.write(kept.html)
    made = f"made {kept.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC on {visible(kept.host)}"
    result(f"{_what(output, len(kept.html), kept.sessions)}, {made}")
    return DONE


def write_report(
    settings: Settings, output: Path, start: date | None = None, end: date | None = None
) -> str:
    """Make the report of a range, and say in a line what came of it; raises as `report`."""
    with progress_bars():
        report_step(Step("report", 0, None))
        # Draws: its libraries take a second to import, which the bar is there for.
        from universe_pipeline.reporting.report import make_report, write

        require_ordinary(output)
        wanted = wiring.wanted_report(settings, start, end)
        with wiring.reading(settings) as connection:
            made = make_report(connection, wanted)
        size = write(output, made.html)
    return _what(output, size, made.sessions)


def _what(output: Path, size: int, sessions: int) -> str:
    return f"{visible(output)}  {size / 1e6:,.2f} MB, {sessions:,} sessions"
