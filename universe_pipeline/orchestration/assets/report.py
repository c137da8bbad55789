"""`report`: the page that shows what is loaded, and its pictures in Dagster's UI."""

from typing import Any

import dagster as dg

from universe_pipeline import wiring
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

The file is `report.html` in `UNIVERSE_HOME`; every verification ends by making it again. Metadata:
its `path` and size in `bytes`, how many `sessions` it covers and how many of these are in each
condition, and three of its charts (`calendar`, `bars`, `symbols`), drawn on a click.
"""

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
    """Make the report of all that is stored, and write it."""
    report_step(Step("report", 0, None))
    from universe_pipeline.reporting.report import make_report, write  # draws: slow to import

    path = postgres.settings.universe_home / FILE
    with postgres.database.connect() as connection:
        made = make_report(connection, wiring.wanted_report(postgres.settings))
    path.parent.mkdir(parents=True, exist_ok=True)
    size = write(path, made.html)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(path),
            "bytes": size,
            "sessions": made.sessions,
            **made.conditions,
            **{name: dg.MetadataValue.md(drawn) for name, drawn in made.pictures.items()},
        }
    )
