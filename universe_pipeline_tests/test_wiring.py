"""Which settings go where."""

import pytest
from pydantic import SecretStr

from universe_pipeline import wiring
from universe_pipeline.adapters.postgres.connection import Database
from universe_pipeline.settings import Settings

UNUSED = "postgresql://127.0.0.1:1/unused"
"""A client connects to its database when it first asks for something."""


@pytest.mark.parametrize(
    ("per_minute", "per_second", "seconds"),
    [(5, 90, 12.0), (6_000, 90, 1 / 90), (0, 90, 1 / 90), (0, 10, 0.1)],
)
def test_a_client_knows_how_often_it_may_send(per_minute: int, per_second: int, seconds: float):
    settings = Settings(
        polygon_api_key=SecretStr("key-of-tests"),
        polygon_rate_limit=per_minute,
        polygon_max_per_second=per_second,
        universe_concurrency=7,
    )

    with wiring.open_client(settings, Database(UNUSED)) as client:
        assert client.spacing == seconds
        assert client.traffic.most == 7
