"""Answers made to fill the memory, against a client in a process of its own."""

import resource
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Iterator

import pytest

from universe_pipeline.simulator.faults import Kind
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.scripted_vendor import ScriptedVendor, answer

MOST = 300
"""Megabytes above what the client had before: an answer of 64, what it is decoded to, and room."""

PEAK_UNIT = 1024**2 if sys.platform == "darwin" else 1024
"""What `ru_maxrss` counts by, of a megabyte."""

CLIENT = textwrap.dedent(
    """
    import resource, sys
    from datetime import date
    from universe_pipeline.adapters.machine import tune_for_loading
    tune_for_loading()
    from universe_pipeline.adapters.polygon.client import PolygonClient
    from universe_pipeline.adapters.polygon.retry import Patience
    from universe_pipeline.domain.bars import Failed

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    patient = Patience(attempts=1, read=100, request=100)
    with PolygonClient(sys.argv[1], "key-of-tests", patience=patient) as client:
        client.grouped_daily(date(2024, 7, 8))
        before = peak()
        for _ in range(int(sys.argv[2])):
            outcome = client.grouped_daily(date(2024, 7, 9))
            bad = outcome.error.kind.value if isinstance(outcome, Failed) else outcome.rejected
            print(bad if isinstance(bad, str) else bad[0].rule)
        print(peak() - before)
    """
)


def outcomes_and_megabytes(base_url: str, requests: int) -> tuple[list[str], float]:
    """What a client makes of its answers, and how much more memory they took at most."""
    ended = subprocess.run(
        [sys.executable, "-c", CLIENT, base_url, str(requests)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    *outcomes, grown = ended.stdout.splitlines()
    return outcomes, int(grown) / PEAK_UNIT


@pytest.mark.parametrize(("kind", "megabytes"), [("huge_body", 100), ("gzip_bomb", 1_024)])
def test_a_body_without_end_is_refused_before_it_fills_the_memory(kind: Kind, megabytes: int):
    with SimulatedVendor(symbols=300) as simulated:
        simulated.faults.add(kind, session="2024-07-09", megabytes=megabytes)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcomes, grown = outcomes_and_megabytes(simulated.base_url, 1)
        sent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert outcomes == ["too_large"]
    assert grown < MOST
    assert sent / PEAK_UNIT < MOST, "the simulated vendor held what it should stream"


SIXTY = 60 * 1024**2
"""Just under what is too large."""

STAMPED = b'"t":1720555200000}'
"""2024-07-09 16:00 in New York."""


def rows(*parts: bytes) -> bytes:
    return b'{"status":"OK","results":[' + b",".join(parts) + b"]}"


def swelling() -> Iterator[tuple[bytes, str]]:
    """Bodies of at most sixty megabytes, and what becomes of them."""
    yield rows(b'{"T":"' + b"x" * SIXTY + b'",' + STAMPED), "undecodable"
    yield rows(b'{"T":"' + "😀".encode() * (SIXTY // 4) + b'",' + STAMPED), "undecodable"
    yield rows(b'"' + b"\\u1234" * (SIXTY // 6) + b'"'), "undecodable"
    yield rows(b'{"T":"A","o":' + b"9" * SIXTY + b"}"), "undecodable"
    yield rows(b"[" * (SIXTY // 2) + b"]" * (SIXTY // 2)), "malformed_json"
    yield rows(*[b"1"] * 2_000_000), "too_large"
    yield rows(*[b'{"T":"A",' + STAMPED] * 450_000), "too_large"
    yield b'{"status":"' + b"\xff" * SIXTY + b'"}', "malformed_json"
    yield b'{"status":"ERROR","error":"' + b"\\n" * (SIXTY // 2) + b'"}', "error_status"
    yield b"<html>" * (SIXTY // 6), "not_json"


def test_a_body_that_would_swell_when_it_is_decoded_is_refused_in_bounded_memory(
    vendor: ScriptedVendor,
):
    replies = [answer({"status": "ERROR"}, 400)]
    expected: list[str] = []
    for body, outcome in swelling():
        replies.append(answer(zlib.compress(body, 1, wbits=31), Content_Encoding="gzip"))
        expected.append(outcome)
    vendor.script(*replies)

    outcomes, grown = outcomes_and_megabytes(vendor.base_url, len(expected))

    assert outcomes == expected
    assert grown < MOST
