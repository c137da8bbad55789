"""One worker decodes for the client and encodes and judges for the load; the client has none."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import date
from typing import TypeVar

import psycopg
import pytest
from pydantic import SecretStr

from universe_pipeline import wiring
from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.domain.bars import Bars
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.decoding import DecodingWorker
from universe_pipeline.loading.quality.while_loading import StreamingJudge
from universe_pipeline.loading.sessions import Encoding, fetch_sessions, store
from universe_pipeline.settings import Settings
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine

Result = TypeVar("Result")
DAYS = [date(2024, 7, 1), date(2024, 7, 2), date(2024, 7, 3)]


class Noting(DecodingWorker):
    """Notes which thread did each piece of work."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []

    def later(self, work: Callable[[], Result]) -> Future[Result]:
        def noted() -> Result:
            self.threads.append(threading.current_thread().name)
            return work()

        return super().later(noted)


def test_a_load_decodes_encodes_and_judges_in_one_thread(
    database: Database, connection: psycopg.Connection, vendor: SimulatedVendor
) -> None:
    settings = Settings(polygon_api_key=SecretStr("key"), polygon_base_url=vendor.base_url)
    make_quarters(connection, DAYS)
    worker = Noting()
    with wiring.open_client(settings, database, worker=worker) as client:
        judge = StreamingJudge(connection, worker, DAYS, Thresholds())
        for fetched in fetch_sessions(client, DAYS, Encoding(), machine, worker):
            judge.take(connection, fetched, store(connection, fetched, "run"))
        findings = judge.judged().findings(connection, DAYS)

    # Each session is decoded and encoded; all are judged at once, and their findings put together.
    assert findings
    assert worker.threads == ["decode_0"] * (2 * len(DAYS) + 2)


def test_work_is_done_in_the_order_in_which_it_was_given() -> None:
    worker, begin = DecodingWorker(), threading.Event()
    done: list[int] = []
    worker.later(begin.wait)
    given = [worker.later(lambda number=number: done.append(number)) for number in range(9)]

    begin.set()
    for each in given:
        each.result()

    assert done == list(range(9))


def test_an_error_reaches_the_one_that_waits() -> None:
    with pytest.raises(ZeroDivisionError):
        DecodingWorker().run(lambda: 1 // 0)


def test_the_thread_gives_way_to_the_one_that_stores() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert DecodingWorker().run(niceness) == min(niceness() + 10, 19)


def test_a_worker_that_is_not_used_any_more_leaves_no_thread() -> None:
    worker = DecodingWorker()
    thread = worker.run(threading.current_thread)

    del worker
    thread.join(timeout=10)

    assert not thread.is_alive()


def decoding_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith("decode")}


def test_a_client_alone_has_no_thread(vendor: SimulatedVendor) -> None:
    before = decoding_threads()
    with PolygonClient(vendor.base_url, "key") as client:
        assert isinstance(client.grouped_daily(DAYS[0]), Bars)

        assert decoding_threads() <= before
