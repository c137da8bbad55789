"""Which settings go where."""

import pytest

from universe_pipeline import wiring
from universe_pipeline.settings import Settings


@pytest.mark.parametrize(
    ("per_minute", "per_second", "seconds"), [(5, 90, 12.0), (0, 90, 1 / 90), (0, 10, 0.1)]
)
def test_a_load_knows_how_often_it_may_send(per_minute: int, per_second: int, seconds: float):
    settings = Settings(polygon_rate_limit=per_minute, polygon_requests_per_second=per_second)

    assert wiring.encoding(settings).spacing == seconds


def test_a_load_asks_no_further_ahead_than_requests_may_be_in_flight():
    assert wiring.encoding(Settings(universe_concurrency=7)).in_flight == 7
