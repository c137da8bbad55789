import hashlib
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from universe_pipeline.simulator.__main__ import main
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.asking import TICKERS, ask, daily_range, grouped


@contextmanager
def running(*options: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "universe_pipeline.simulator", "--symbols", "300", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_another_process_says_the_same_and_ends_on_sigterm(healthy: SimulatedVendor):
    with running() as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        theirs = (
            grouped(url, "2024-07-03").text,
            daily_range(url, "AAPL", "2003-09-10", "2024-07-03").text,
            ask(url, f"{TICKERS}?date=2024-07-03&limit=1000").text,
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0

    ours = (
        grouped(healthy, "2024-07-03").text,
        daily_range(healthy, "AAPL", "2003-09-10", "2024-07-03").text,
        ask(healthy, f"{TICKERS}?date=2024-07-03&limit=1000").text,
    )
    assert [hashlib.sha256(body).hexdigest() for body in theirs] == [
        hashlib.sha256(body).hexdigest() for body in ours
    ]


def test_options_reach_the_vendor_and_ctrl_c_ends_it():
    with running(
        *("--api-key", "right", "--plan-start", "2020-01-02", "--rate-limit", "3"),
        *("--fault", "500:endpoint=types"),
    ) as (process, url):
        statuses = [
            ask(url, TICKERS).status,
            ask(url, f"{TICKERS}/types", authorization="Bearer right").status,
            ask(
                url,
                "/v2/aggs/grouped/locale/us/market/stocks/2019-12-31",
                authorization="Bearer right",
            ).status,
            ask(url, TICKERS, authorization="Bearer right").status,
            ask(url, TICKERS, authorization="Bearer right").status,
        ]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0

    assert statuses == [401, 500, 403, 200, 429]


def test_the_world_is_planted_and_restless_on_request(healthy: SimulatedVendor):
    day = "2024-07-03"
    with running("--planted-until", day, "--restless") as (_, url):
        theirs = grouped(url, day).by_ticker

    ours = grouped(healthy, day).by_ticker
    assert theirs.keys() - ours.keys() >= {"HERTS", "LATES", "USUAL"}
    assert theirs["SPY"]["c"] != ours["SPY"]["c"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--port", "65536"], "argument --port: '65536' is no number from 0 to 65535"),
        (["--symbols", "few"], "argument --symbols: 'few' is no number from 50 to 30000"),
        (["--plan-start", "soon"], "argument --plan-start: 'soon' is no day like 2024-01-31"),
        (["--fault", "nope"], "argument --fault: 'nope' is no fault: the kinds are delay,"),
        (
            ["--fault", "429:time=3"],
            "argument --fault: '429:time=3' is no fault: Object contains unknown field `time`",
        ),
        (["--bogus"], "unrecognized arguments: --bogus"),
    ],
)
def test_nonsense_is_refused_in_one_line(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(options)

    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert printed.startswith(f"simulator: {complaint}")
    assert printed.count("\n") == 1


def test_a_taken_port_is_refused_in_one_line(
    healthy: SimulatedVendor, capsys: pytest.CaptureFixture[str]
):
    port = healthy.base_url.rpartition(":")[2]

    assert main(["--port", port, "--symbols", "300"]) == 2
    assert capsys.readouterr().err == (
        f"simulator: cannot listen on port {port}: Address already in use\n"
    )
