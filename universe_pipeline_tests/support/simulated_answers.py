"""What the simulated vendor says over HTTP, read with the standard library alone."""

import json
from typing import Any
from urllib.request import Request, urlopen

from universe_pipeline.simulator.server import SimulatedVendor

Row = tuple[str, float, float, float, float, float, float | None, int | None]
"""Symbol, open, high, low, close, volume, vwap, transactions."""


def ask(vendor: SimulatedVendor, path_and_query: str) -> Any:
    """One answer, decoded."""
    url = path_and_query if "://" in path_and_query else vendor.base_url + path_and_query
    with urlopen(Request(url, headers={"Authorization": "Bearer any"})) as answer:  # noqa: S310
        return json.load(answer)


def grouped(vendor: SimulatedVendor, session: str) -> list[Row]:
    """The bars of a session by symbol, bytewise."""
    path = f"/v2/aggs/grouped/locale/us/market/stocks/{session}?adjusted=false"
    return sorted(
        (r["T"], r["o"], r["h"], r["l"], r["c"], r["v"], r.get("vw"), r.get("n"))
        for r in ask(vendor, path)["results"]
    )


def tickers(vendor: SimulatedVendor, *, active: bool) -> list[dict[str, Any]]:
    """All rows of a reference list."""
    page = ask(
        vendor, f"/v3/reference/tickers?market=stocks&limit=1000&active={str(active).lower()}"
    )
    rows: list[dict[str, Any]] = page["results"]
    while "next_url" in page:
        page = ask(vendor, page["next_url"])
        rows += page["results"]
    return rows


def asked_sessions(vendor: SimulatedVendor, since: int = 0) -> list[str]:
    """The sessions of all grouped requests but the first `since`, sorted."""
    asked = [log.path[-10:] for log in vendor.requests if log.endpoint == "grouped"]
    return sorted(asked[since:])
