"""dlt, merging by the key."""

import os
import tempfile
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from benchmarks.peers.measuring import KEY, foreign, measure

NAMES = {
    "T": "symbol",
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "vw": "vwap",
    "t": "stamp",
    "n": "transactions",
}
"""dlt folds `T` and `t` into one column: both need names before dlt sees them."""

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
dlt, requests = foreign("dlt"), foreign("dlt.sources.helpers.requests")


def load(vendor: str, database: str, days: list[date]) -> None:
    """All sessions in one run, which is the best case of a pipeline."""

    def sessions() -> Iterator[list[dict[str, Any]]]:
        for day in days:
            url = f"{vendor}/v2/aggs/grouped/locale/us/market/stocks/{day}?adjusted=false"
            answer = requests.get(url, headers={"Authorization": f"Bearer {KEY}"}).json()
            yield [_named(day, bar) for bar in answer["results"]]

    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "peer",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(credentials(database)),
            dataset_name="dlt",
        )
        resource = dlt.resource(
            sessions, name="bars", write_disposition="merge", primary_key=("date", "symbol")
        )
        pipeline.run(resource).raise_on_failed_jobs()


def _named(day: date, bar: dict[str, Any]) -> dict[str, Any]:
    return {"date": day, **{NAMES.get(name, name): value for name, value in bar.items()}}


def credentials(database: str) -> dict[str, Any]:
    """The URL's parts: dlt wants a host, and passes it on as it stands in a URL."""
    parts = urlsplit(database)
    return {
        "database": parts.path[1:],
        "username": parts.username,
        "password": "none is asked for",  # pragma: allowlist secret
        "host": quote(parse_qs(parts.query)["host"][0], safe=""),
        "port": parts.port,
    }


if __name__ == "__main__":
    measure(load, table=("dlt", "bars"))
