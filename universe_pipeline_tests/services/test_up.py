"""`universe up`: ready with its URL, and gone with all that it started, however it ends."""

import os
import re
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from universe_pipeline_tests.support.embedded_homes import (
    fresh_home,
    postmasters,
    processes,
)
from universe_pipeline_tests.support.service_manager import listening
from universe_pipeline_tests.support.serving import (
    PROGRAM,
    Up,
    free_port,
    is_listening,
    processes_with,
    serving,
)
from universe_pipeline_tests.support.site import Site
from universe_pipeline_tests.support.webserver import ASSETS, NOT_RETRIED, Webserver, until

REPOSITORY = Path(__file__).parents[2]

THANKSGIVING = ["2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02"]
"""Without Thursday, 28 November; Friday closes early."""


def assert_gone(up: Up) -> None:
    """Nothing of it is left: no process and no listening port."""
    assert up.processes() == {}
    assert not is_listening(up.port)


def run_in_flight(up: Up, site: Site, loaded: int) -> str:
    """Launch a run over Thanksgiving that hangs at the vendor after so many sessions; its id."""
    site.vendor.faults.add("delay", endpoint="grouped", after=loaded, seconds=600)
    run = up.webserver.launch_run(
        "historical_load",
        tags={
            "dagster/asset_partition_range_start": THANKSGIVING[0],
            "dagster/asset_partition_range_end": THANKSGIVING[-1],
            **NOT_RETRIED,
        },
    )
    until(lambda: len(site.loaded()) == loaded and len(site.requests()) == loaded + 1)
    return run


def shown(webserver: Webserver, asset: str) -> list[str]:
    """The partitions that are shown as materialized."""
    return webserver.partitions(asset).materialized


def test_from_start_to_sigterm_a_backfill_over_a_holiday_survives_a_fault_and_nothing_is_left(
    site: Site,
) -> None:
    site.vendor.faults.add("404", endpoint="grouped", session="2024-11-27")
    good = [day for day in THANKSGIVING if day != "2024-11-27"]
    with serving(site.environment, site.folder) as up:
        webserver = up.webserver
        backfill = webserver.launch_range(THANKSGIVING[0], THANKSGIVING[-1])
        schedules = webserver.schedules()

        runs = webserver.await_runs(backfill)
        partitions = {asset: webserver.partitions(asset) for asset in ASSETS}
        code = up.end(signal.SIGTERM)

        assert_gone(up)
    assert code == 0, up.out
    ready = rf"ready in \d+\.\d s: Dagster is at http://127\.0\.0\.1:{up.port} "
    assert re.match(ready, up.out)
    assert set(schedules.values()) == {"RUNNING"}
    assert [run["status"] for run in runs] == ["FAILURE"]
    assert partitions["symbols"].materialized == THANKSGIVING
    for asset in ("daily_bars", "data_coverage"):
        assert partitions[asset].materialized == good
    assert partitions["daily_bars"].failed == ["2024-11-27"]
    assert site.loaded() == site.covered() == good
    assert site.differing(good) == []


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_idle_up_with_all_that_it_started_and_systemd_hears_of_it(
    site: Site, tmp_path: Path, number: signal.Signals
) -> None:
    with listening(tmp_path) as systemd:
        watched = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "2000000"}
        with serving(site.environment | watched, site.folder) as up:
            started = set(up.processes().values()) if up.webserver else set[str]()
            until(lambda: "WATCHDOG=1" in systemd.heard())  # its daemons have sent heartbeats

            code = up.end(number)

            assert_gone(up)
        heard = systemd.heard()
    assert code == 0, up.out
    assert len(started) >= 6  # up, guard, dev, code server, webserver, daemon
    assert up.out.splitlines()[-1] == "stopped"
    assert (heard[0], heard[-1]) == ("READY=1", "STOPPING=1")
    assert set(heard[1:-1]) == {"WATCHDOG=1"}


@pytest.mark.system
def test_ctrl_c_twice_is_as_good_as_once(site: Site) -> None:
    with serving(site.environment, site.folder) as up:
        _ = up.webserver

        up.process.send_signal(signal.SIGINT)
        code = up.end(signal.SIGINT)

        assert_gone(up)
    assert code == 0, up.out


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_it_is_ready_ends_it_too(site: Site, number: signal.Signals) -> None:
    with serving(site.environment, site.folder) as up:
        until(lambda: any("_daemon" in said for said in up.processes().values()))

        code = up.end(number)

        assert_gone(up)
    assert code == 0, up.out


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_started_by_a_script_in_the_background_it_ends_by_either_signal(
    site: Site, number: signal.Signals
) -> None:
    in_background = ("sh", "-c", '"$@" & echo $!; wait $!', "sh")  # what it starts ignores SIGINT
    with serving(site.environment, site.folder, starter=in_background) as up:
        _ = up.webserver

        os.kill(int(up.out.splitlines()[0]), number)
        code = up.await_end()

        assert_gone(up)
    assert code == 0, up.out


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_in_flight_ends_with_it_and_keeps_what_it_committed(
    site: Site, number: signal.Signals
) -> None:
    with serving(site.environment | {"UNIVERSE_CONCURRENCY": "1"}, site.folder) as up:
        run = run_in_flight(up, site, loaded=2)

        code = up.end(number)

        assert_gone(up)
    assert code == 0, up.out
    assert site.run_statuses() in (["FAILURE"], ["CANCELED"])
    site.vendor.faults.clear()
    with serving(site.environment, site.folder) as again:
        webserver = again.webserver
        assert webserver.run_status(run) in ("FAILURE", "CANCELED")
        for asset in ("daily_bars", "data_coverage"):
            assert shown(webserver, asset) == site.loaded() == site.covered() == THANKSGIVING[:2]


@pytest.mark.system
def test_killed_it_takes_its_services_along_and_the_next_one_goes_on_with_the_rest(
    site: Site,
) -> None:
    with serving(site.environment | {"UNIVERSE_CONCURRENCY": "1"}, site.folder) as killed:
        run = run_in_flight(killed, site, loaded=2)
        site.vendor.faults.clear()

        killed.end(signal.SIGKILL)

        with serving(site.environment, site.folder, port=killed.port) as up:  # at once
            webserver = up.webserver
            assert webserver.run_status(run) in ("FAILURE", "CANCELED")
            assert len({one for one in up.processes().values() if "_daemon" in one}) == 1
            for asset in ("daily_bars", "data_coverage"):
                assert shown(webserver, asset) == site.loaded() == THANKSGIVING[:2]
            backfill = webserver.launch_backfill(
                webserver.partitions("daily_bars")
                .within(THANKSGIVING[0], THANKSGIVING[-1])
                .missing_and_failed
            )
            assert [one["status"] for one in webserver.await_runs(backfill)] == ["SUCCESS"]
            up.end()
            assert_gone(up)
    assert site.loaded() == site.covered() == THANKSGIVING
    assert site.requests().count(THANKSGIVING[0]) == 1


@pytest.mark.system
def test_killed_with_nobody_to_start_it_again_its_services_end_all_the_same(site: Site) -> None:
    with serving(site.environment, site.folder) as up:
        _ = up.webserver

        up.end(signal.SIGKILL)
        up.await_nothing_left()

        assert_gone(up)


@pytest.mark.system
@pytest.mark.parametrize(
    "victim",
    ["guard.py", r"^\S+ -m \S+execution\.dev ", "_daemon run", r"execution\.webserver "],
)
def test_when_a_part_of_it_is_killed_it_says_so_and_nothing_is_left(
    site: Site, victim: str
) -> None:
    with serving(site.environment, site.folder) as up:
        _ = up.webserver
        (pid,) = [one for one, said in up.processes().items() if re.search(victim, said)]

        os.kill(pid, signal.SIGKILL)
        code = up.await_end()

        up.await_nothing_left()
        assert_gone(up)
    assert code == 1
    assert up.out.splitlines()[-1].startswith("universe: Dagster's services ended by themselves")


@pytest.mark.system
def test_killed_at_one_stroke_with_all_its_services_the_next_one_reports_the_run(
    site: Site,
) -> None:
    with serving(site.environment | {"UNIVERSE_CONCURRENCY": "1"}, site.folder) as killed:
        run = run_in_flight(killed, site, loaded=2)

        for pid in killed.processes():
            os.kill(pid, signal.SIGKILL)

        killed.await_nothing_left()
        assert site.run_statuses() == ["STARTED"]
        with serving(site.environment, site.folder, port=killed.port) as up:
            webserver = up.webserver
            assert webserver.run_status(run) == "FAILURE"
            assert up.out.startswith("1 run was interrupted before; what is loaded is kept\n")
            for asset in ("daily_bars", "data_coverage"):
                assert shown(webserver, asset) == site.loaded() == THANKSGIVING[:2]


@pytest.mark.system
def test_after_its_connections_were_cut_it_works_on_and_can_be_ended(site: Site) -> None:
    with serving(site.environment, site.folder) as up:
        webserver = up.webserver
        site.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

        run = webserver.launch_run("daily_update", tags={"dagster/partition": "2024-11-29"})
        status = webserver.await_run(run)
        code = up.end(signal.SIGTERM)

        assert_gone(up)
    assert status == "SUCCESS"
    assert code == 0, up.out


@pytest.mark.system
def test_with_the_embedded_database_nothing_is_left_of_that_either(site: Site) -> None:
    with fresh_home() as home:
        home.chmod(0o755)
        environment = {**site.environment, "UNIVERSE_HOME": str(home), "UNIVERSE_DATABASE_URL": ""}
        with serving(environment, site.folder) as up:
            _ = up.webserver
            running = postmasters(home)

            code = up.end(signal.SIGTERM)

            assert_gone(up)
        assert code == 0, up.out
        assert len(running) == 1
        assert processes(home) == {}


@pytest.mark.system
def test_the_log_of_its_services_cannot_grow_without_bound(site: Site) -> None:
    log = Path(site.environment["UNIVERSE_HOME"]) / "dagster" / "services.log"
    log.parent.mkdir(parents=True)
    log.write_text("many lines\n" * 900_000)
    with serving(site.environment, site.folder) as up:
        _ = up.webserver

        until(log.with_name("services.log.1").exists)
        until(lambda: log.stat().st_size < 1_000_000)

        up.end()
    assert log.with_name("services.log.1").read_text().startswith("many lines\n")


def test_a_port_in_use_is_reported_in_one_line(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = site.universe("up", "--port", str(port))

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == (
        f"universe: port {port} on 127.0.0.1 cannot be used (Address already in use): "
        "choose another by --port\n"
    )


@pytest.mark.system
def test_a_second_one_is_refused_at_once_on_the_same_home_and_on_another(site: Site) -> None:
    elsewhere = replace(
        site, environment=site.environment | {"UNIVERSE_HOME": str(site.folder / "elsewhere")}
    )
    with serving(site.environment, site.folder) as up:
        _ = up.webserver

        refused = site.universe("up", "--port", str(free_port()))
        refused_elsewhere = elsewhere.universe("up", "--port", str(free_port()))

        assert up.is_running
        up.end()
    assert refused_elsewhere.returncode == 2
    (line,) = refused_elsewhere.stderr.splitlines()
    assert line.startswith("universe: the database has a daemon already, of universe up on ")
    assert f", process {up.process.pid} " in line
    assert refused.returncode == 2
    assert refused.stderr == (
        f"universe: another `universe up` is running on {up.home / 'dagster'}\n"
    )


@pytest.mark.system
def test_plain_dagster_dev_without_any_setting_says_that_its_storage_is_temporary(
    site: Site,
) -> None:
    port = free_port()
    empty = {"PATH": os.environ["PATH"], "HOME": str(site.folder)}
    command = [PROGRAM.with_name("dagster"), "dev", "-w", "workspace.yaml", "-p", str(port)]
    log = site.folder / "dev.log"
    with (
        log.open("w") as written,
        subprocess.Popen(command, env=empty, cwd=REPOSITORY, stdout=written, stderr=written) as dev,
    ):
        try:
            webserver = Webserver(f"http://127.0.0.1:{port}")
            until(lambda: is_listening(port))
            until(webserver.is_loaded)
            keys = webserver.partitions("daily_bars").within("2024-11-25", "2024-12-02").all
            dev.send_signal(signal.SIGINT)
            code = dev.wait(60)
        finally:
            dev.kill()  # of no use unless the above failed

    assert code == 0
    assert keys == THANKSGIVING
    assert re.search(r"Using temporary directory \S+ for storage", log.read_text())
    assert "set the environment variable DAGSTER_HOME" in log.read_text()
    until(lambda: processes_with(f"HOME={site.folder}") == {}, 90)
