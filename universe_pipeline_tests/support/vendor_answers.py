"""Answers in the vendor's documented shapes, written by hand."""

import json
from typing import Any

T_2024_01_16 = 1705438800000
"""2024-01-16 16:00 in New York, 21:00 UTC: the `t` of a grouped row."""


def as_sent(answer: Any) -> bytes:
    """An answer as the vendor's server writes it: without a space, and what is text as it is."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def row(symbol: str = "AAPL", **changes: Any) -> dict[str, Any]:
    """A grouped row of 2024-01-16; a change to `...` leaves the key out."""
    whole = {
        "T": symbol,
        "v": 65000,
        "vw": 183.1,
        "o": 182.16,
        "c": 183.63,
        "h": 184.26,
        "l": 180.934,
        "t": T_2024_01_16,
        "n": 767281,
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not ...}


def grouped(*rows: Any, **changes: Any) -> dict[str, Any]:
    """A grouped answer that holds `rows`; a change to `...` leaves the key out."""
    whole = {
        "queryCount": len(rows),
        "resultsCount": len(rows),
        "adjusted": False,
        "results": list(rows),
        "status": "OK",
        "request_id": "6a7e466379af0a71039d60cc78e72282",
        "count": len(rows),
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not ...}


def ranged(*rows: Any, **changes: Any) -> dict[str, Any]:
    """A range answer of AAPL; its rows have no `T`."""
    return grouped(*({k: v for k, v in each.items() if k != "T"} for each in rows)) | {
        "ticker": "AAPL",
        **changes,
    }


def listed(*tickers: Any, **changes: Any) -> dict[str, Any]:
    """A page of a reference list."""
    return {
        "results": list(tickers),
        "status": "OK",
        "request_id": "31d59dda-80e5-4721-8496-d0d32a654afe",
        "count": len(tickers),
        **changes,
    }


def refused(text: str, status: str = "ERROR") -> dict[str, str]:
    """A refusal in the vendor's form: the text stands under `error`, or for NOT_… `message`."""
    key = "error" if status == "ERROR" else "message"
    return {"status": status, "request_id": "6a7e466379af0a71039d60cc78e72282", key: text}


EMPTY: dict[str, Any] = {
    "queryCount": 0,
    "resultsCount": 0,
    "adjusted": False,
    "status": "OK",
    "count": 0,
}
"""What a closed day gets: no `results` at all."""
