"""Backfills by the real daemon that are disturbed: what stands in the database is what is shown."""

import json
import os
import signal

import pytest

from universe_pipeline_tests.support.serving import Up, workers
from universe_pipeline_tests.support.site import Site
from universe_pipeline_tests.support.webserver import ASSETS, Webserver, until

pytestmark = pytest.mark.faults

LOADED_FIRST = 3


def assert_agreed(webserver: Webserver, site: Site) -> None:
    """Tables, partitions and `universe status` say the same, and nothing goes on being at work."""
    until(lambda: set(site.run_statuses()) <= {"SUCCESS", "FAILURE", "CANCELED"})
    loaded = site.loaded()
    assert site.covered() == loaded
    for asset in ("daily_bars", "data_coverage"):
        assert webserver.partitions(asset).materialized == loaded
    for asset in ASSETS:
        assert webserver.partitions(asset).materializing == []
    seen = json.loads(site.universe("status", "--json").stdout)
    assert seen["sessions"].get("loaded", 0) == len(loaded)
    assert site.differing(loaded) == []


def is_made_good(webserver: Webserver, site: Site) -> bool:
    """Whether the daemon has seen to the coverage of a run that did not come to it."""
    return webserver.partitions("data_coverage").materialized == site.loaded()


def launched_and_hanging(
    webserver: Webserver, site: Site, month: tuple[str, str], *, is_retried: bool = False
) -> str:
    """Launch a backfill that waits for the vendor's answer after some sessions; its id."""
    site.vendor.faults.add("delay", endpoint="grouped", after=LOADED_FIRST, seconds=600)
    asked = len(site.requests())
    backfill = webserver.launch_range(*month, is_retried=is_retried)
    until(lambda: len(site.loaded(*month)) == LOADED_FIRST)
    until(lambda: len(site.requests()) == asked + LOADED_FIRST + 1)
    site.vendor.faults.clear()  # the request in flight waits all the same
    return backfill


def fetch_the_rest(webserver: Webserver, site: Site, month: tuple[str, str]) -> list[str]:
    """Materialize what the UI calls missing and failed, with a healthy vendor; what was asked."""
    site.vendor.faults.clear()
    asked = len(site.requests())
    rest = sorted(
        {
            day
            for asset in ASSETS
            for day in webserver.partitions(asset).within(*month).missing_and_failed
        }
    )
    runs = webserver.await_runs(webserver.launch_backfill(rest))
    assert {run["status"] for run in runs} == {"SUCCESS"}
    return site.asked_since(asked)


def test_a_lost_and_an_unpublished_session_leave_the_others_green_and_are_then_fetched_alone(
    shared_up: Up, healthy: Site
) -> None:
    webserver, month = shared_up.webserver, ("2024-09-03", "2024-09-30")
    lost, late = "2024-09-10", "2024-09-19"
    sessions = webserver.partitions("daily_bars").within(*month).all
    good = [day for day in sessions if day not in (lost, late)]
    healthy.vendor.faults.add("404", endpoint="grouped", session=lost)
    healthy.vendor.faults.add("403_before_end_of_day", endpoint="grouped", session=late)

    backfill = webserver.launch_range(*month)
    (run,) = webserver.await_runs(backfill)

    assert len(sessions) == 20
    assert run["status"] == "FAILURE"
    assert healthy.statuses(*month) == {
        **dict.fromkeys(good, "loaded"),
        lost: "failed",
        late: "pending",
    }
    for asset in ("daily_bars", "data_coverage"):
        assert webserver.partitions(asset).within(*month).materialized == good
    assert_agreed(webserver, healthy)
    assert healthy.open_errors() == [lost]
    assert webserver.await_backfill(backfill)["status"] == "COMPLETED_FAILED"

    assert fetch_the_rest(webserver, healthy, month) == [lost, late]
    assert healthy.loaded(*month) == sessions
    assert healthy.open_errors() == []
    assert_agreed(webserver, healthy)


def test_a_run_that_is_terminated_keeps_what_it_committed(shared_up: Up, healthy: Site) -> None:
    webserver, month = shared_up.webserver, ("2024-08-01", "2024-08-30")
    sessions = webserver.partitions("daily_bars").within(*month).all
    backfill = launched_and_hanging(webserver, healthy, month)
    (run,) = webserver.backfill(backfill)["runs"]
    job = "historical_load_2024-08-01_2024-08-30"
    working = healthy.job(job)

    webserver.terminate(run["id"])

    assert webserver.await_run(run["id"]) == "CANCELED"
    until(lambda: workers(shared_up) == [])
    assert healthy.loaded(*month) == sessions[:LOADED_FIRST]
    until(lambda: is_made_good(webserver, healthy))
    assert_agreed(webserver, healthy)
    assert (working["status"], working["run_id"]) == ("in_progress", run["id"])
    assert working["processed_dates"] == sessions[:LOADED_FIRST]
    assert healthy.job(job)["status"] == "interrupted"
    assert fetch_the_rest(webserver, healthy, month) == sessions[LOADED_FIRST:]
    assert healthy.loaded(*month) == sessions
    assert_agreed(webserver, healthy)
    assert healthy.universe("resume", job).returncode == 0
    assert healthy.job(job)["status"] == "completed"


def test_a_backfill_that_is_canceled_keeps_what_it_committed(shared_up: Up, healthy: Site) -> None:
    webserver, month = shared_up.webserver, ("2024-07-01", "2024-07-31")
    sessions = webserver.partitions("daily_bars").within(*month).all
    backfill = launched_and_hanging(webserver, healthy, month)

    webserver.cancel_backfill(backfill)

    assert webserver.await_backfill(backfill)["status"] == "CANCELED"
    assert [run["status"] for run in webserver.backfill(backfill)["runs"]] == ["CANCELED"]
    until(lambda: workers(shared_up) == [])
    assert healthy.loaded(*month) == sessions[:LOADED_FIRST]
    until(lambda: is_made_good(webserver, healthy))
    assert_agreed(webserver, healthy)
    assert fetch_the_rest(webserver, healthy, month) == sessions[LOADED_FIRST:]
    assert_agreed(webserver, healthy)


def test_a_run_whose_process_is_killed_is_reported_and_made_good_for_by_the_next_command(
    shared_up: Up, healthy: Site
) -> None:
    webserver, month = shared_up.webserver, ("2024-06-03", "2024-06-28")
    sessions = webserver.partitions("daily_bars").within(*month).all
    backfill = launched_and_hanging(webserver, healthy, month)
    (worker,) = workers(shared_up)

    os.kill(worker, signal.SIGKILL)

    assert [run["status"] for run in webserver.await_runs(backfill)] == ["FAILURE"]
    assert healthy.job("historical_load_2024-06-03_2024-06-28")["status"] == "interrupted"
    command = healthy.universe("historical", "--start", "2024-06-03", "--end", "2024-06-03")
    assert (command.returncode, command.stderr) == (0, "")
    assert healthy.loaded(*month) == sessions[:LOADED_FIRST]
    assert_agreed(webserver, healthy)
    assert fetch_the_rest(webserver, healthy, month) == sessions[LOADED_FIRST:]
    assert_agreed(webserver, healthy)


def test_a_run_whose_process_is_killed_is_made_good_for_without_any_command(
    shared_up: Up, healthy: Site
) -> None:
    webserver, month = shared_up.webserver, ("2024-04-01", "2024-04-30")
    sessions = webserver.partitions("daily_bars").within(*month).all
    backfill = launched_and_hanging(webserver, healthy, month)
    (worker,) = workers(shared_up)

    os.kill(worker, signal.SIGKILL)

    assert [run["status"] for run in webserver.await_runs(backfill)] == ["FAILURE"]
    until(lambda: is_made_good(webserver, healthy))
    assert healthy.loaded(*month) == sessions[:LOADED_FIRST]
    assert_agreed(webserver, healthy)


def test_a_backfill_whose_run_is_killed_ends_by_itself(shared_up: Up, healthy: Site) -> None:
    webserver, month = shared_up.webserver, ("2024-03-01", "2024-03-28")
    sessions, job = (
        webserver.partitions("daily_bars").within(*month).all,
        f"historical_load_{'_'.join(month)}",
    )
    asked = len(healthy.requests())
    backfill = launched_and_hanging(webserver, healthy, month, is_retried=True)
    (worker,) = workers(shared_up)
    healthy.vendor.faults.add("delay", endpoint="grouped", seconds=20, times=1)

    os.kill(worker, signal.SIGKILL)

    until(lambda: len(webserver.backfill(backfill)["runs"]) > 1)
    until(lambda: healthy.job(job)["status"] == "in_progress")
    again = healthy.job(job)["run_id"]
    assert webserver.await_backfill(backfill)["status"] == "COMPLETED_SUCCESS"
    runs = webserver.backfill(backfill)["runs"]
    assert [run["status"] for run in runs] == ["FAILURE", "SUCCESS"]
    assert (again, healthy.job(job)["status"]) == (runs[1]["id"], "completed")
    assert healthy.loaded(*month) == sessions
    in_flight = sessions[LOADED_FIRST]
    assert sorted(healthy.asked_since(asked)) == sorted([*sessions, in_flight])
    assert_agreed(webserver, healthy)


def test_a_vendor_that_refuses_the_key_fails_the_run_and_nothing_is_shown(
    shared_up: Up, healthy: Site
) -> None:
    webserver, days = shared_up.webserver, ("2024-05-01", "2024-05-03")
    healthy.vendor.faults.add("401_unknown_key")

    (run,) = webserver.await_runs(webserver.launch_range(*days))

    assert run["status"] == "FAILURE"
    assert healthy.loaded(*days) == []
    healthy.vendor.faults.clear()
    assert_agreed(webserver, healthy)
    assert fetch_the_rest(webserver, healthy, days) == ["2024-05-01", "2024-05-02", "2024-05-03"]
    assert_agreed(webserver, healthy)
