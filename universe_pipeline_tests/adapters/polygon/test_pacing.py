import threading
import time

from universe_pipeline.adapters.polygon.pacing import Unpaced


def test_the_longest_back_off_counts():
    pace = Unpaced()
    began = time.monotonic()
    pace.back_off(0.1)
    pace.back_off(0.001)

    pace.wait()

    assert time.monotonic() - began >= 0.1


def test_a_back_off_holds_every_thread():
    pace = Unpaced()
    passed: list[float] = []

    def ask() -> None:
        pace.wait()
        passed.append(time.monotonic())

    began = time.monotonic()
    pace.back_off(0.1)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(passed) == 3
    assert min(passed) - began >= 0.1
