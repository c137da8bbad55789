"""`historical --launch` where it cannot work; the services' tests follow one to its end."""

from universe_pipeline_tests.support.command_in_process import Command

DAY = ("--start", "2024-07-01", "--end", "2024-07-01")


def test_without_a_daemon_nothing_is_asked_for(command: Command) -> None:
    ended = command("historical", "--launch", *DAY, POLYGON_API_KEY="")

    assert ended.code == 2
    assert "no daemon of Dagster works on this database" in ended.err


def test_what_the_workers_decide_is_refused(command: Command) -> None:
    for option in (["--symbols", "AAPL"], ["--concurrency", "3"], ["--batch-size", "3"]):
        ended = command("historical", "--launch", *DAY, *option)

        assert ended.code == 2
        assert "--launch takes --start, --end and --reload" in ended.err
