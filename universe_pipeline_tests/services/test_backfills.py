"""Backfills and runs launched over GraphQL, worked on by the real daemon; everything goes well."""

import signal
from datetime import UTC, datetime

import pytest

from universe_pipeline.domain.sessions import newest_closed
from universe_pipeline_tests.support.serving import Up, serving
from universe_pipeline_tests.support.simulated_answers import grouped
from universe_pipeline_tests.support.site import Site
from universe_pipeline_tests.support.webserver import ASSETS, Webserver, until

pytestmark = pytest.mark.system

WINTER = ("2024-11-15", "2025-01-10")
WINTER_SESSIONS = 37
"""41 weekdays without Thanksgiving, Christmas, New Year and 9 January, a day of mourning."""

JUNE = ("2023-06-01", "2023-06-30")
JUNE_SESSIONS = 21
"""22 weekdays without Juneteenth."""


def assert_green(webserver: Webserver, site: Site, sessions: list[str]) -> None:
    """The sessions are loaded as the vendor has them, and each is shown once, by its own run."""
    assert site.loaded(sessions[0], sessions[-1]) == sessions
    assert site.differing(sessions) == []
    assert [day for day in site.covered() if sessions[0] <= day <= sessions[-1]] == sessions
    for asset in ASSETS:
        shown = webserver.partitions(asset).within(sessions[0], sessions[-1])
        assert (shown.materialized, shown.failed) == (sessions, [])
        counted = webserver.materializations(asset)
        assert {day: counted[day] for day in sessions} == dict.fromkeys(sessions, 1)


def test_two_months_over_the_holidays_are_one_green_run_with_each_session_recorded_by_itself(
    shared_up: Up, healthy: Site
) -> None:
    webserver = shared_up.webserver
    sessions = webserver.partitions("daily_bars").within(*WINTER).all

    backfill = webserver.await_backfill(webserver.launch_range(*WINTER))

    assert len(sessions) == WINTER_SESSIONS
    assert not {"2024-11-28", "2024-12-25", "2025-01-01", "2025-01-09"} & set(sessions)
    assert backfill["status"] == "COMPLETED_SUCCESS"
    (run,) = backfill["runs"]
    assert run["status"] == "SUCCESS"
    assert_green(webserver, healthy, sessions)
    shown = webserver.metadata("daily_bars")
    rows = {day: len(grouped(healthy.vendor, day)) for day in sessions}
    assert {day: shown[day]["dagster/row_count"] for day in sessions} == rows
    assert {shown[day]["run"] for day in sessions} == {run["id"]}
    job = healthy.job("historical_load_2024-11-15_2025-01-10")
    assert (job["status"], job["run_id"]) == ("completed", run["id"])
    assert job["processed_dates"] == sessions
    assert len({shown[day]["sample"] for day in sessions}) == WINTER_SESSIONS
    covered = webserver.metadata("data_coverage")
    assert {day: covered[day]["bars"] for day in sessions} == rows


def test_a_month_that_is_named_day_by_day_is_one_green_run_and_a_second_one_changes_nothing(
    shared_up: Up, healthy: Site
) -> None:
    webserver = shared_up.webserver
    sessions = webserver.partitions("daily_bars").within(*JUNE).all

    (run,) = webserver.await_runs(webserver.launch_backfill(sessions))

    assert len(sessions) == JUNE_SESSIONS
    assert run["status"] == "SUCCESS"
    assert_green(webserver, healthy, sessions)
    before, asked = healthy.everything(), healthy.vendor.count()

    (again,) = webserver.await_runs(webserver.launch_backfill(sessions))

    assert again["status"] == "SUCCESS"
    assert healthy.everything() == before
    assert healthy.vendor.count() == asked
    shown = webserver.metadata("daily_bars")
    assert {shown[day]["fetched"] for day in sessions} == {False}
    assert {shown[day]["run"] for day in sessions} == {again["id"]}


def test_what_is_asked_for_with_reload_is_fetched_again_and_revised_with_its_old_values_kept(
    shared_up: Up, healthy: Site
) -> None:
    webserver, days = shared_up.webserver, ["2023-03-01", "2023-03-02"]
    webserver.await_runs(webserver.launch_backfill(days))
    asked = len(healthy.requests())
    healthy.vendor.faults.add("changed", endpoint="grouped", session=days[1], tickers=["SPY"])
    reload = {"ops": {"daily_bars": {"config": {"reload": True}}}}

    (run,) = webserver.await_runs(webserver.launch_backfill(days, config=reload))

    assert run["status"] == "SUCCESS"
    assert len(healthy.requests()) == asked + 2
    assert healthy.rows("SELECT symbol, date::text FROM bar_revisions") == [("SPY", days[1])]
    assert webserver.metadata("daily_bars")[days[1]]["revised"] == 1


def test_a_single_partition_is_a_backfill_of_one_or_a_run(shared_up: Up, healthy: Site) -> None:
    webserver = shared_up.webserver

    run = webserver.launch_run("historical_load", tags={"dagster/partition": "2023-02-01"})
    (other,) = webserver.await_runs(webserver.launch_backfill(["2023-02-02"]))

    assert (webserver.await_run(run), other["status"]) == ("SUCCESS", "SUCCESS")
    assert_green(webserver, healthy, ["2023-02-01", "2023-02-02"])


def test_assets_can_be_asked_for_one_by_one(shared_up: Up, healthy: Site) -> None:
    webserver, days = shared_up.webserver, ["2023-01-04", "2023-01-05"]

    (bars,) = webserver.await_runs(webserver.launch_backfill(days, assets=["daily_bars"]))
    (rest,) = webserver.await_runs(
        webserver.launch_backfill(days, assets=["symbols", "data_coverage"])
    )

    assert (bars["status"], rest["status"]) == ("SUCCESS", "SUCCESS")
    assert healthy.job("historical_load_2023-01-04_2023-01-05")["run_id"] == bars["id"]
    assert healthy.loaded(*days) == days
    for asset in ASSETS:
        assert webserver.partitions(asset).within(*days).materialized == days


def test_the_newest_partitions_are_closed_sessions_and_a_backfill_loads_them(
    shared_up: Up, healthy: Site
) -> None:
    webserver = shared_up.webserver
    newest = webserver.partitions("daily_bars").all[-5:]

    (run,) = webserver.await_runs(webserver.launch_backfill(newest))

    shown = webserver.partitions("daily_bars").within(newest[0], newest[-1]).materialized
    assert run["status"] == "SUCCESS"
    assert newest[-1] <= newest_closed(datetime.now(UTC)).isoformat()
    assert healthy.loaded(newest[0]) == shown == newest
    assert webserver.partitions("data_coverage").within(newest[0], newest[-1]).materialized == shown


@pytest.mark.faults
def test_with_a_limit_a_backfill_is_several_runs(site: Site) -> None:
    environment = site.environment | {"UNIVERSE_SESSIONS_PER_RUN": "10"}
    with serving(environment, site.folder) as up:
        webserver = up.webserver
        sessions = webserver.partitions("daily_bars").within(*JUNE).all

        backfill = webserver.await_backfill(webserver.launch_range(*JUNE))

        assert backfill["status"] == "COMPLETED_SUCCESS"
        assert [run["status"] for run in backfill["runs"]] == ["SUCCESS"] * 3
        assert_green(webserver, site, sessions)
        up.end()
    assert len(site.requests()) == 2 * JUNE_SESSIONS  # once by us to compare, once by the runs


def test_a_command_launches_a_backfill_leaves_it_at_ctrl_c_and_finds_it_again(
    shared_up: Up, healthy: Site
) -> None:
    webserver, asked = shared_up.webserver, len(healthy.requests())
    load = ("historical", "--launch", "--start", "2023-04-03", "--end", "2023-04-06")
    healthy.vendor.faults.add("delay", endpoint="grouped", seconds=5)

    with healthy.started(*load) as command:
        until(lambda: len(healthy.requests()) > asked)
        command.send_signal(signal.SIGINT)
        _, left = command.communicate(timeout=60)
    ended = healthy.universe(*load)

    assert command.returncode == 130
    assert "goes on; the same command follows it again" in left
    assert ended.returncode == 0, ended.stderr
    sessions = healthy.loaded("2023-04-03", "2023-04-06")
    assert len(sessions) == 4
    assert_green(webserver, healthy, sessions)
    assert healthy.rows(
        "SELECT count(*) FROM dagster.bulk_actions WHERE body LIKE %s", "%_2023-04-03_%"
    ) == [(1,)]

    healthy.vendor.faults.clear()
    reloaded = healthy.universe(*load, "--reload")

    assert reloaded.returncode == 0, reloaded.stderr
    assert "4 of 4 sessions loaded" in reloaded.stdout
    assert len(healthy.requests()) == asked + 3 * len(sessions)  # once by us to compare
