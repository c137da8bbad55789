"""`report`: the page that shows what is loaded, and its pictures in Dagster's UI."""

import logging
from pathlib import Path
from typing import Any

import dagster as dg

from universe_pipeline import wiring
from universe_pipeline.adapters.host import host_name
from universe_pipeline.adapters.postgres.summaries import report_page
from universe_pipeline.domain.errors import UsageError
from universe_pipeline.loading.progress import Step
from universe_pipeline.loading.progress import report as report_step
from universe_pipeline.orchestration.assets.daily_bars import daily_bars
from universe_pipeline.orchestration.assets.data_coverage import data_coverage
from universe_pipeline.orchestration.assets.symbols import symbols
from universe_pipeline.orchestration.display.metadata import OWNERS
from universe_pipeline.orchestration.resources import PostgresResource

DESCRIPTION = """\
One page about everything that is stored: sessions by condition, bars per session compared with the
usual, symbols by first and last session, what the rules found over time, the worst offenders and
the open errors. `universe report` makes the same page of any range.

Every verification ends by making it again. The database keeps it, so that `universe report --last`
writes it on any host; the host that made it also writes `report.html` in its `UNIVERSE_HOME`, if it
can. Metadata: that `host`, the file's `path` and the size in `bytes`, how many `sessions` it covers
and how many of these are in each condition, and three of its charts (`calendar`, `bars`,
`symbols`), drawn on a click.
"""

logger = logging.getLogger("universe_pipeline.report")

FILE = "report.html"


@dg.asset(
    deps=[symbols, daily_bars, data_coverage],
    op_tags={"dagster/priority": "-2"},  # after the checks of its run, whose findings it shows
    group_name="reports",
    owners=OWNERS,
    kinds={"html"},
    description=DESCRIPTION,
)
def report(postgres: PostgresResource) -> dg.MaterializeResult[Any]:
    """Make the report of all that is stored, keep it in the database, and write it."""
    report_step(Step("report", 0, None))
    from universe_pipeline.reporting.report import make_report  # draws: slow to import

    wanted = wiring.wanted_report(postgres.settings)
    with postgres.database.connect() as connection:
        made = make_report(connection, wanted)
        report_page.keep(connection, made.html, made.sessions, wanted.now)
    return dg.MaterializeResult(
        metadata={
            "host": host_name(),
            **_written(postgres.settings.universe_home / FILE, made.html),
            "bytes": len(made.html.encode()),
            "sessions": made.sessions,
            **made.conditions,
            **{name: dg.MetadataValue.md(drawn) for name, drawn in made.pictures.items()},
        }
    )


def _written(path: Path, html: str) -> dict[str, dg.MetadataValue[Any]]:
    """Write the page to this host's home; its path, or nothing where the home refuses it."""
    from universe_pipeline.reporting.report import write

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, html)
    except (OSError, UsageError) as error:
        logger.warning("%s was not written (the database keeps the report): %s", path, error)
        return {}
    return {"path": dg.MetadataValue.path(path)}
