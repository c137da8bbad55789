"""`doctor`: a line for everything that a load needs; 1 if anything fails."""

from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.cli.in_process import Command


def verdicts(out: str) -> list[tuple[str, str]]:
    return [(line[:5].strip(), line[5:15].strip()) for line in out.splitlines()]


def test_where_everything_is_there_it_says_so(command: Command, vendor: SimulatedVendor) -> None:
    ended = command("doctor")

    assert ended.code == 0
    what = {name: verdict for verdict, name in verdicts(ended.out)}
    assert what.keys() >= {"database", "schema", "disk", "pace", "full load", "key", "plan"}
    assert "fail" not in what.values()
    assert "reaches back to 2003-09-10, the beginning" in ended.out
    assert f"accepted by {vendor.base_url}" in ended.out


def test_without_a_key_that_is_the_one_failure(command: Command, vendor: SimulatedVendor) -> None:
    ended = command("doctor", POLYGON_API_KEY="")

    assert ended.code == 1
    assert [name for verdict, name in verdicts(ended.out) if verdict == "fail"] == ["key"]
    assert "POLYGON_API_KEY is not set" in ended.out
    assert vendor.count() == 0


def test_a_key_that_is_not_accepted_fails(command: Command, vendor: SimulatedVendor) -> None:
    vendor.faults.add("401_unknown_key")

    ended = command("doctor")

    assert ended.code == 1
    assert [name for verdict, name in verdicts(ended.out) if verdict == "fail"] == ["key"]
    assert vendor.count() == 1


def test_a_database_that_is_down_is_the_failure_and_the_rest_is_examined(
    command: Command, vendor: SimulatedVendor
) -> None:
    ended = command("doctor", UNIVERSE_DATABASE_URL="postgresql://me:pass-word@127.0.0.1:1/bars")

    assert ended.code == 1
    assert [name for verdict, name in verdicts(ended.out) if verdict == "fail"] == ["database"]
    assert "me@127.0.0.1:1/bars" in ended.out
    assert "pass-word" not in ended.out + ended.err
    assert "disk" in ended.out


def test_a_plan_of_two_years_is_recognised(command: Command, vendor: SimulatedVendor) -> None:
    vendor.faults.add("403_timeframe", session="2003-09-10")
    vendor.faults.add("403_timeframe", endpoint="grouped", times=2)

    ended = command("doctor")

    assert ended.code == 0
    assert ("warn", "plan") in verdicts(ended.out)
    assert "reaches back 2 years" in ended.out


def test_hours_of_a_full_load_follow_from_the_pace(command: Command) -> None:
    ended = command(
        "doctor", POLYGON_API_KEY="", POLYGON_RATE_LIMIT="1", UNIVERSE_START_DATE="2003-09-10"
    )

    hours = next(line for line in ended.out.splitlines() if "full load" in line)
    # About 252 sessions a year since 2003-09-10, one a minute: 97 hours at the end of 2026.
    assert 95 < float(hours.partition("about ")[2].split()[0]) < 150
