"""Verdicts on splits and dividends: judged in the runs that bring actions, bars and listings."""

from typing import Any

import dagster as dg
import psycopg

from universe_pipeline.orchestration.execution.in_process import Runs
from universe_pipeline_tests.support.dagster_records import sessions

TWO_DAYS = sessions("2024-06-24", "2024-06-25")


def shown(instance: dg.DagsterInstance, asset: str) -> dict[str, int]:
    """The verdicts that the newest materialization counts."""
    record = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records[0]
    assert record.asset_materialization is not None
    counted: Any = record.asset_materialization.metadata["verdicts"].value
    return counted


def test_a_load_judges_actions_by_the_bars_and_listings_that_it_brings(
    runs: Runs, instance: dg.DagsterInstance, connection: psycopg.Connection
) -> None:
    assert runs.run("historical_load", TWO_DAYS, name="by hand").success

    judged: dict[str, int] = dict(
        connection.execute("SELECT kind, count(*) FROM action_verdicts GROUP BY kind").fetchall()
    )
    listed = connection.execute(
        "SELECT (SELECT count(DISTINCT (symbol, ex_date)) FROM dividends"
        "        WHERE ex_date BETWEEN '2024-06-25' AND '2024-07-11' OR ex_date > now()),"
        " (SELECT count(*) FROM splits)"
    ).fetchall()[0]
    assert (judged["dividend"], judged["split"]) == listed
    assert sum(shown(instance, "dividends").values()) == judged["dividend"]
    assert sum(shown(instance, "splits").values()) == judged["split"]
    assigned = connection.execute(
        "SELECT count(*) FROM action_verdicts v JOIN listings l USING (symbol)"
        " WHERE v.security_id = l.security_id AND verdict <> 'unassigned'"
    ).fetchall()[0][0]
    assert assigned > 0
