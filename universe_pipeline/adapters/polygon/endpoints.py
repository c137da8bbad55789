"""The vendor's endpoints by short names, which hold neither a symbol nor a date."""

import httpx

ENDPOINTS = {
    "/v2/aggs/grouped/": "grouped",
    "/v2/aggs/ticker/": "symbol",
    "/v3/reference/tickers/types": "ticker_types",
    "/v3/reference/tickers": "tickers",
    "/stocks/v1/splits": "splits",
    "/v3/reference/splits": "older_splits",
    "/stocks/v1/dividends": "dividends",
}
"""Names by what their paths have in common, the longer path first."""

OTHER = "other"
"""What a `next_url` leads to."""


def endpoint_label(url: httpx.URL) -> str:
    """The short name of the endpoint that `url` asks."""
    return next((name for path, name in ENDPOINTS.items() if path in url.path), OTHER)
