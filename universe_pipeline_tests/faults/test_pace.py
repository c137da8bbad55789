"""Three processes at one pace, for minutes: never too fast, and hardly slower than allowed."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.fault_tally import Tally

pytestmark = pytest.mark.faults

LIMIT = 90
EACH = 120
MINUTE = 60.0

ASK = """
import sys
from universe_pipeline import wiring
from universe_pipeline.settings import load_settings
database = wiring.open_database(load_settings())
with wiring.open_client(load_settings(), database) as client:
    for _ in range(int(sys.argv[1])):
        client.ticker_types()
"""


def test_three_processes_keep_one_pace_and_use_it(
    tally: Callable[[str], Tally],
    environment: dict[str, str],
    database: Database,
    tmp_path: Path,
) -> None:
    line = tally(f"three processes at {LIMIT} requests a minute")
    with SimulatedVendor(symbols=300, rate_limit=LIMIT) as vendor:
        chosen = {"POLYGON_BASE_URL": vendor.base_url, "POLYGON_RATE_LIMIT": str(LIMIT)}
        asking = [
            subprocess.Popen(
                [sys.executable, "-c", ASK, str(EACH)],
                env={**environment, **chosen, "UNIVERSE_DATABASE_URL": database.url},
                cwd=tmp_path,
            )
            for _ in range(3)
        ]
        codes = [process.wait(timeout=600) for process in asking]
        at = [request.at for request in vendor.requests]

    line.times = 3 * EACH
    line.calls_wasted = len(at) - 3 * EACH
    assert codes == [0, 0, 0]
    assert len(at) == 3 * EACH  # a 429 would have cost another request
    worst = max(sum(first <= each < first + MINUTE for each in at) for first in at)
    assert worst <= LIMIT
    # In whole windows: the last turn of a full one comes a window after the last of the one before.
    ends = at[LIMIT - 1 :: LIMIT]
    assert all(later - earlier <= MINUTE / 0.95 for earlier, later in pairwise(ends))
