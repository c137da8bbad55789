"""What each kind of fault does to an answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec

from universe_pipeline.simulator import answers
from universe_pipeline.simulator.answers import Answer, Sending, refusal
from universe_pipeline.simulator.faults import Fault, Kind
from universe_pipeline.simulator.hostile import hostile_rows
from universe_pipeline.simulator.request import Request

_DAY = 86_400_000
_DEPTH = 100_000
_OK = 200
_PAGE = b"<!doctype html><html><head><title>%b</title></head><body><h1>%b</h1></body></html>\n"

_Content: TypeAlias = dict[str, Any]
_Rows: TypeAlias = list[dict[str, Any]]
_Effect: TypeAlias = Callable[[Fault, Request, Answer], Answer]


def struck(fault: Fault, request: Request, answer: Answer) -> Answer:
    """The answer after `fault`."""
    return _EFFECTS[fault.kind](fault, request, answer)


def _edit(change: Callable[[Fault, Request, _Content], None]) -> _Effect:
    """An effect on the document of a good answer; a refusal stays as it is."""

    def effect(fault: Fault, request: Request, answer: Answer) -> Answer:
        if answer.status != _OK:
            return answer
        content = msgspec.json.decode(answer.body, type=dict[str, Any])
        change(fault, request, content)
        return replace(answer, body=msgspec.json.encode(content))

    return effect


def _edit_rows(change: Callable[[Fault, _Content, _Rows], _Rows]) -> _Effect:
    """An effect on rows and counts; without rows there is no `results`, as on a holiday."""

    def change_content(fault: Fault, _: Request, content: _Content) -> None:
        rows = change(fault, content, content.get("results") or [])
        content["results"] = rows
        content |= {key: len(rows) for key in content if key in _COUNTS}
        if not rows and "resultsCount" in content:
            del content["results"]

    return _edit(change_content)


_COUNTS = ("queryCount", "resultsCount", "count")


def _ticker(content: _Content, row: dict[str, Any]) -> str | None:
    return row.get("T") or row.get("ticker") or content.get("ticker")


def _with_bad_rows(fault: Fault, _: _Content, rows: _Rows) -> _Rows:
    stamp = {"t": rows[0]["t"]} if rows and "t" in rows[0] else {}
    bad = fault.rows if fault.rows is not None else [*_BAD_BARS, *rows[:1]]
    return [*rows, *(stamp | row for row in bad)]


_GOOD = {"T": "SIMBAD", "o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5, "v": 1000, "vw": 10.2, "n": 12}
_BAD_BARS: _Rows = [
    _GOOD | {"T": "SIMHIGH", "h": 8.5},
    _GOOD | {"T": "SIMNULL", "c": None},
    _GOOD | {"T": "SIMZERO", "l": 0},
    _GOOD | {"T": "SIMTEXT", "o": "ten"},
    _GOOD | {"T": "SIMVOL", "v": None},
    _GOOD | {"T": "SIM\0NUL"},
]
"""One row of each kind that cannot be a bar; a copy of the first good row joins them."""


def _changed(fault: Fault, content: _Content, rows: _Rows) -> _Rows:
    hit = [row for row in rows if _ticker(content, row) in fault.tickers]
    for row in hit:
        row["v"] *= fault.factor
    return rows


def _missing(fault: Fault, content: _Content, rows: _Rows) -> _Rows:
    return [row for row in rows if not _is_meant(fault, content, row)]


def _is_meant(fault: Fault, content: _Content, row: dict[str, Any]) -> bool:
    day = row.get("execution_date") or row.get("ex_dividend_date")
    is_day = not fault.dates or day is None or date.fromisoformat(day) in fault.dates
    return _ticker(content, row) in fault.tickers and is_day


def _without_fields(fault: Fault, content: _Content, rows: _Rows) -> _Rows:
    return [
        {key: value for key, value in row.items() if key not in fault.fields}
        if not fault.tickers or _ticker(content, row) in fault.tickers
        else row
        for row in rows
    ]


def _rewritten(fault: Fault, content: _Content, rows: _Rows) -> _Rows:
    instead = {_ticker(content, row): row for row in fault.rows or []}
    return [instead.get(_ticker(content, row), row) for row in rows]


def _wrong_session(fault: Fault, _: _Content, rows: _Rows) -> _Rows:
    for row in rows:
        row["t"] += fault.days * _DAY
    return rows


def _moved(fault: Fault, content: _Content, rows: _Rows) -> _Rows:
    return [_later(fault, row) if _is_meant(fault, content, row) else row for row in rows]


def _repeated(fault: Fault, content: _Content, rows: _Rows) -> _Rows:
    again = (_later(fault, row) for row in rows if _is_meant(fault, content, row))
    return [*rows, *(row | {"id": row["id"][::-1]} for row in again)]


def _later(fault: Fault, row: dict[str, Any]) -> dict[str, Any]:
    name = "execution_date" if "execution_date" in row else "ex_dividend_date"
    day = date.fromisoformat(row[name]) + timedelta(days=fault.days)
    return row | {name: day.isoformat()}


def _changed_cash(fault: Fault, content: _Content, rows: _Rows) -> _Rows:
    for row in rows:
        if _is_meant(fault, content, row):
            row["cash_amount"] *= fault.factor
    return rows


def _null_results(_: Fault, __: Request, content: _Content) -> None:
    content |= {key: 0 for key in _COUNTS if key in content}
    content["results"] = None


def _miscount(_: Fault, __: Request, content: _Content) -> None:
    content |= {key: content[key] + 1 for key in ("resultsCount", "count") if key in content}


def _plain(status: int, body: bytes, content_type: str) -> _Effect:
    return lambda fault, _, __: Answer(body, status, content_type, _retry_after(fault))


def _refused(status: int, text: str) -> _Effect:
    return lambda fault, request, _: replace(
        refusal(request, status, text), headers=_retry_after(fault)
    )


def _retry_after(fault: Fault) -> tuple[tuple[str, str], ...]:
    if fault.retry_after is None:
        return ()
    if not fault.http_date:
        return (("Retry-After", str(fault.retry_after)),)
    # A date has no fractions of a second: one more, so as not to ask for less than was meant.
    moment = datetime.now(UTC) + timedelta(seconds=fault.retry_after + 1)
    return (("Retry-After", format_datetime(moment, usegmt=True)),)


def _error_with_200(_: Fault, request: Request, __: Answer) -> Answer:
    return replace(refusal(request, 500, "An internal error occurred"), status=_OK)


def _echo(_: Fault, request: Request, __: Answer) -> Answer:
    quoted = quote(request.key or "", safe="")
    text = f"{request.key} is no key of ours: GET {request.target}&apiKey={quoted}"
    return refusal(request, 500, text)


def _address(fault: Fault, request: Request) -> str:
    return fault.url.replace("{key}", quote(request.key or "", safe=""))


def _redirect(fault: Fault, request: Request, _: Answer) -> Answer:
    return Answer(b"", 302, "text/plain", (("Location", _address(fault, request)),))


def _with_hostile_rows(_: Fault, __: _Content, rows: _Rows) -> list[Any]:
    hostile = hostile_rows(rows[0].get("t") if rows else None)
    return [*rows, *map(msgspec.Raw, hostile)]


def _deep(_: Fault, __: Request, ___: Answer) -> Answer:
    return Answer(b'{"status":"OK","results":' + b"[" * _DEPTH + b"]" * _DEPTH + b"}")


def _sent(sending: Sending, megabytes: int = 0) -> _Effect:
    return lambda fault, _, answer: replace(
        answer, sending=sending, megabytes=fault.megabytes or megabytes
    )


_EFFECTS: dict[Kind, _Effect] = {
    "delay": lambda fault, _, answer: replace(answer, delay=answer.delay + fault.seconds),
    "delayed_status": _edit(lambda _, __, content: content.update(status="DELAYED")),
    "bad_rows": _edit_rows(_with_bad_rows),
    "changed": _edit_rows(_changed),
    "missing": _edit_rows(_missing),
    "without_fields": _edit_rows(_without_fields),
    "rewritten": _edit_rows(_rewritten),
    "collapsed": _edit_rows(lambda _, __, rows: rows[: len(rows) // 2]),
    "cut_rows": _edit_rows(lambda fault, _, rows: rows[: fault.keep]),
    "empty": _edit_rows(lambda _, __, ___: []),
    "results_null": _edit(_null_results),
    "wrong_session": _edit_rows(_wrong_session),
    "moved_split": _edit_rows(_moved),
    "repeated_split": _edit_rows(_repeated),
    "moved_dividend": _edit_rows(_moved),
    "repeated_dividend": _edit_rows(_repeated),
    "changed_dividend": _edit_rows(_changed_cash),
    "adjusted_true": _edit(lambda _, __, content: content.update(adjusted=True)),
    "count_mismatch": _edit(_miscount),
    "foreign_next_url": _edit(
        lambda fault, request, content: content.update(next_url=_address(fault, request))
    ),
    "looping_next_url": _edit(
        lambda _, request, content: content.update(next_url=request.origin + request.target)
    ),
    "400": _refused(400, answers.UNREADABLE_CURSOR),
    "401_no_key": _refused(401, answers.NO_KEY),
    "401_unknown_key": _refused(401, answers.UNKNOWN_KEY),
    "403_not_entitled": _refused(403, answers.NOT_ENTITLED),
    "403_timeframe": _refused(403, answers.OUTSIDE_PLAN),
    "403_before_end_of_day": _refused(403, answers.BEFORE_END_OF_DAY),
    "403_firewall": _plain(403, _PAGE % ((b"Request blocked",) * 2), "text/html"),
    "404": _refused(404, answers.NO_DATA),
    "429": _refused(429, answers.TOO_MANY_REQUESTS),
    "500": _refused(500, "An internal error occurred"),
    "502": _plain(502, _PAGE % ((b"502 Bad Gateway",) * 2), "text/html"),
    "503": _plain(503, b"Service Unavailable\n", "text/plain"),
    "504": _plain(504, b"upstream request timeout", "text/plain"),
    "echo": _echo,
    "redirect": _redirect,
    "html_200": _plain(200, _PAGE % ((b"Maintenance",) * 2), "text/html"),
    "error_status_200": _error_with_200,
    "malformed_json": lambda _, __, answer: replace(
        answer, body=answer.body[: len(answer.body) * 2 // 3]
    ),
    "hostile_rows": _edit_rows(_with_hostile_rows),
    "deep_json": _deep,
    "reset": _sent(Sending.RESET),
    "cut_body": _sent(Sending.CUT),
    "gzip_garbage": _sent(Sending.GZIP_GARBAGE),
    "gzip_bomb": _sent(Sending.GZIP_BOMB, 2_048),
    "huge_body": _sent(Sending.ENDLESS, 512),
}
