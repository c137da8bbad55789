"""Ticks of the schedules, evaluated by the running code location, and what they ask for done."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest
import yaml

from universe_pipeline_tests.support.serving import Up
from universe_pipeline_tests.support.site import Site
from universe_pipeline_tests.support.webserver import Webserver, until

pytestmark = pytest.mark.faults

DAILY = "daily_update_after_close"


def before_half_past_eight() -> float:
    """A minute before 20:30 in New York on the last Friday evening but today's."""
    evening = datetime.now(ZoneInfo("America/New_York")).replace(hour=20, minute=29, second=0)
    days_since = (evening.weekday() - 4) % 7 or 7
    return (evening - timedelta(days=days_since)).timestamp()


def last_closed(count: int) -> list[str]:
    """The newest sessions that have closed, by the calendar itself."""
    closes: dict[Any, Any] = dict(exchange_calendars.get_calendar("XNYS").closes)
    closed = sorted(day for day, close in closes.items() if close < datetime.now(UTC))
    return [day.date().isoformat() for day in closed[-count:]]


def config_of(request: dict[str, Any]) -> dict[str, Any]:
    """The run configuration that a tick asks for, with days as text."""
    return yaml.load(request["runConfigYaml"], yaml.BaseLoader)  # noqa: S506  # makes text only


def launch(webserver: Webserver, request: dict[str, Any]) -> str:
    """Launch what a tick asks for, as the scheduler does; the run's id."""
    return webserver.launch_run(
        "daily_update",
        tags={tag["key"]: tag["value"] for tag in request["tags"]},
        config=config_of(request),
    )


def test_both_schedules_run_and_every_daemon_is_well(shared_up: Up) -> None:
    webserver = shared_up.webserver

    schedules = webserver.schedules()

    assert schedules == {DAILY: "RUNNING", "weekly_verification": "RUNNING"}
    until(lambda: all(webserver.daemons().values()))
    assert {"SCHEDULER", "SENSOR", "BACKFILL", "QUEUED_RUN_COORDINATOR"} <= set(webserver.daemons())


def test_after_an_outage_a_tick_asks_for_every_missing_session_in_one_run_and_only_once(
    shared_up: Up, healthy: Site
) -> None:
    webserver, missing = shared_up.webserver, last_closed(10)
    webserver.await_run(
        webserver.launch_run("historical_load", tags={"dagster/partition": missing.pop(4)})
    )
    asked = len(healthy.requests())

    outage = webserver.tick(DAILY, before_half_past_eight())
    (request,) = outage["runRequests"]
    healthy.vendor.faults.add("delay", endpoint="grouped", seconds=5, times=1)
    run = launch(webserver, request)
    meanwhile = webserver.tick(DAILY, before_half_past_eight())
    status = webserver.await_run(run)
    later = webserver.tick(DAILY, before_half_past_eight())

    fetch = config_of(request)["ops"]["daily_bars"]["config"]["fetch"]
    assert [outage["error"], meanwhile["error"], later["error"]] == [None, None, None]
    assert fetch == missing
    assert meanwhile["skipReason"] == "a daily update is still running"
    assert status == "SUCCESS"
    assert healthy.asked_since(asked) == missing
    assert later["skipReason"] == f"every session up to {missing[-1]} is loaded"


def test_the_weekly_tick_asks_for_the_checks_which_pass(shared_up: Up, healthy: Site) -> None:
    webserver = shared_up.webserver

    tick = webserver.tick("weekly_verification", datetime.now(UTC).timestamp())
    run = webserver.launch_run("verification", tags={})

    assert (tick["error"], tick["skipReason"], len(tick["runRequests"])) == (None, None, 1)
    assert webserver.await_run(run) == "SUCCESS"
