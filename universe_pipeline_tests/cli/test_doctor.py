"""`doctor`: a line for everything that a load needs; 1 if anything fails."""

from typing import Any

import pytest

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.command_in_process import Command

pytestmark = pytest.mark.usefixtures("retries_at_once")


def check_results(out: str) -> list[tuple[str, str]]:
    return [(line[:5].strip(), line[5:15].strip()) for line in out.splitlines()]


def test_where_everything_is_there_it_says_so(command: Command, vendor: SimulatedVendor) -> None:
    ended = command("doctor")

    assert ended.code == 0
    what = {name: verdict for verdict, name in check_results(ended.out)}
    assert what.keys() >= {
        "database",
        "schema",
        "disk",
        "pace",
        "full load",
        "vendor",
        "key",
        "plan",
    }
    assert "fail" not in what.values()
    assert "reaches back to 2003-09-10, the beginning" in ended.out
    assert f"accepted by {vendor.base_url}" in ended.out


def test_without_a_key_that_is_the_one_failure(command: Command, vendor: SimulatedVendor) -> None:
    ended = command("doctor", POLYGON_API_KEY="")

    assert ended.code == 1
    assert [name for verdict, name in check_results(ended.out) if verdict == "fail"] == ["key"]
    assert "POLYGON_API_KEY is not set" in ended.out
    assert vendor.count() == 0


def test_a_key_that_is_not_accepted_fails(command: Command, vendor: SimulatedVendor) -> None:
    vendor.faults.add("401_unknown_key")

    ended = command("doctor")

    assert ended.code == 1
    assert [name for verdict, name in check_results(ended.out) if verdict == "fail"] == ["key"]
    assert ("ok", "vendor") in check_results(ended.out)
    assert vendor.count() == 1


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:21491", "Connection refused"),
        ("https://vendor.invalid", "cannot reach https://vendor.invalid (POLYGON_BASE_URL)"),
    ],
)
def test_a_vendor_that_cannot_be_reached_is_the_failure_and_not_the_key(
    command: Command, address: str, why: str
) -> None:
    ended = command("doctor", POLYGON_BASE_URL=address)

    assert ended.code == 1
    assert [name for verdict, name in check_results(ended.out) if verdict == "fail"] == ["vendor"]
    assert "key" not in [name for _, name in check_results(ended.out)]
    (line,) = [line for line in ended.out.splitlines() if line.startswith("fail")]
    assert address in line
    assert "POLYGON_BASE_URL" in line
    assert why in line


@pytest.mark.parametrize("fault", ["403_firewall", "502", "html_200", "reset"])
def test_a_vendor_that_does_not_answer_for_itself_is_the_failure_and_not_the_key(
    command: Command, vendor: SimulatedVendor, fault: Any
) -> None:
    vendor.faults.add(fault)

    ended = command("doctor")

    assert ended.code == 1
    assert [name for verdict, name in check_results(ended.out) if verdict == "fail"] == ["vendor"]
    assert vendor.base_url in ended.out
    assert vendor.count() == 3


def test_a_vendor_that_fails_later_says_nothing_about_the_plan(
    command: Command, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("500", endpoint="grouped")

    ended = command("doctor")

    assert ended.code == 1
    assert [name for verdict, name in check_results(ended.out) if verdict == "fail"] == ["vendor"]
    assert "plan" not in [name for _, name in check_results(ended.out)]


def test_a_database_that_is_down_is_the_failure_and_the_rest_is_examined(
    command: Command, vendor: SimulatedVendor
) -> None:
    ended = command("doctor", UNIVERSE_DATABASE_URL="postgresql://me:pass-word@127.0.0.1:1/bars")

    assert ended.code == 1
    assert [name for verdict, name in check_results(ended.out) if verdict == "fail"] == ["database"]
    assert "me@127.0.0.1:1/bars" in ended.out
    assert "pass-word" not in ended.out + ended.err
    assert "disk" in ended.out


def test_a_plan_of_two_years_is_recognised(command: Command, vendor: SimulatedVendor) -> None:
    vendor.faults.add("403_timeframe", session="2003-09-10")
    vendor.faults.add("403_timeframe", endpoint="grouped", times=2)

    ended = command("doctor")

    assert ended.code == 0
    assert ("warn", "plan") in check_results(ended.out)
    assert "reaches back 2 years" in ended.out


def test_hours_of_a_full_load_follow_from_the_pace(command: Command) -> None:
    ended = command(
        "doctor", POLYGON_API_KEY="", POLYGON_RATE_LIMIT="1", UNIVERSE_START_DATE="2003-09-10"
    )

    hours = next(line for line in ended.out.splitlines() if "full load" in line)
    # About 252 sessions a year since 2003-09-10, one a minute: 97 hours at the end of 2026.
    assert 95 < float(hours.partition("about ")[2].split()[0]) < 150
