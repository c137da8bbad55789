"""Everything at once on the same sessions: backfills, a daily update and the command line."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from universe_pipeline_tests.support.serving import serving, workers
from universe_pipeline_tests.support.site import Site
from universe_pipeline_tests.support.webserver import ASSETS, until

pytestmark = pytest.mark.faults

SPRING = ("2024-03-01", "2024-05-31")


def test_overlapping_backfills_an_update_and_commands_leave_each_session_loaded_once(
    site: Site,
) -> None:
    load = ("historical", "--start", SPRING[0], "--end", SPRING[1])
    site.vendor.faults.add("delay", endpoint="grouped", seconds=0.2)  # so that they do meet
    with serving(site.environment, site.folder) as up, ThreadPoolExecutor() as pool:
        webserver = up.webserver
        sessions = webserver.partitions("daily_bars").within(*SPRING).all
        backfills = [
            webserver.launch_range(SPRING[0], "2024-05-10"),
            webserver.launch_range("2024-04-01", SPRING[1]),
        ]
        until(lambda: any(run["status"] == "STARTED" for run in webserver.runs()))
        command = pool.submit(site.universe, *load)
        daily = webserver.launch_run("daily_update", tags={"dagster/partition": "2024-05-31"})

        statuses = [webserver.await_backfill(one)["status"] for one in backfills]

        assert statuses == ["COMPLETED_SUCCESS", "COMPLETED_SUCCESS"]
        assert webserver.await_run(daily) == "SUCCESS"
        ended = command.result()
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr
        site.vendor.faults.clear()
        assert len(sessions) == 64  # Good Friday and Memorial Day are none
        for asset in ASSETS:
            assert webserver.partitions(asset).within(*SPRING).materialized == sessions
        until(lambda: workers(up) == [])
        up.end()
    assert set(site.run_statuses()) == {"SUCCESS"}
    assert site.loaded() == site.covered() == sessions
    assert site.differing(sessions) == []
    assert site.rows("SELECT count(*) FROM bar_revisions") == [(0,)]
    assert site.rows("SELECT count(*) FROM data_fetch_errors") == [(0,)]
    assert site.rows(
        "SELECT count(*), count(DISTINCT (symbol, date)) FROM daily_bars"
    ) == site.rows("SELECT sum(stored), sum(stored) FROM session_loads")
