"""What goes wrong on request: rules that say which requests fail, how, and how often.

Rules are tried in the order in which they were added. Those that only change an answer (`delay`,
`bad_rows`, `changed` …) add up; the first one that replaces it ends the search. So `429` with
`times=2` followed by `500` with `times=1` fails three requests, then all is well again.
"""

import threading
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from universe_pipeline.simulator.request import Endpoint, Request

Change: TypeAlias = Literal[
    "delay",  # waits `seconds` before answering
    "delayed_status",  # status DELAYED, as on plans with a delay: the data is good
    "bad_rows",  # appends `rows`, by default one of each kind that a row rule rejects
    "changed",  # multiplies the volumes of `tickers` by `factor`
    "missing",  # drops the rows of `tickers`, of splits and dividends only those of `dates`
    "without_fields",  # drops `fields` from the rows of `tickers`, or of all if none is named
    "rewritten",  # sends `rows` instead of the rows of the same tickers
    "collapsed",  # keeps only the first half of the rows
    "cut_rows",  # keeps only the first `keep` rows
    "empty",  # no row, as on a closed day
    "results_null",  # `results` is null
    "wrong_session",  # stamps of `days` later
    "adjusted_true",  # says that the bars are adjusted
    "count_mismatch",  # `resultsCount` and `count` are one too high
    "moved_split",  # the splits of `tickers` are listed `days` later
    "repeated_split",  # the splits of `tickers` are listed again, `days` later
    "moved_dividend",  # the dividends of `tickers` are listed `days` later
    "repeated_dividend",  # they are listed again, `days` later, under other ids
    "changed_dividend",  # multiplies the cash of `tickers` by `factor`
    "foreign_next_url",  # `next_url` is `url`, by default a host that does not exist
    "looping_next_url",  # `next_url` is the page that was asked for
]
"""Kinds that change the answer, and may meet in one."""

Replacement: TypeAlias = Literal[
    "400",
    "401_no_key",
    "401_unknown_key",
    "403_not_entitled",
    "403_timeframe",
    "403_before_end_of_day",
    "403_firewall",  # an HTML page, as a firewall on the way sends it
    "404",
    "429",  # with Retry-After if `retry_after` is given
    "500",
    "502",  # an HTML page, as a proxy sends it
    "503",  # plain text, with Retry-After if `retry_after` is given
    "504",  # plain text
    "echo",  # 500 whose text repeats the key, as debugging proxies do
    "redirect",  # 302 to `url`
    "html_200",  # HTTP 200 with an HTML page
    "error_status_200",  # HTTP 200 with the body of an error
    "malformed_json",  # HTTP 200 with two thirds of the document
    "hostile_rows",  # a good answer with the rows of `hostile` at its end
    "deep_json",  # 100,000 arrays inside each other
    "reset",  # a TCP reset instead of an answer
    "cut_body",  # half of the announced body, then the connection closes
    "gzip_garbage",  # announced as gzip, and is not
    "gzip_bomb",  # gzip that unpacks to `megabytes`
    "huge_body",  # `megabytes` of white space inside a document without announced length
]
"""Kinds that end in their own answer."""

Kind: TypeAlias = Change | Replacement

_OF_BARS = frozenset({"changed", "wrong_session", "adjusted_true", "hostile_rows"})
"""Kinds that only answers with bars can suffer; so can the default of `bad_rows`."""

_OF_SPLITS = frozenset({"moved_split", "repeated_split"})
"""Kinds that only lists of splits can suffer."""

_OF_DIVIDENDS = frozenset({"moved_dividend", "repeated_dividend", "changed_dividend"})
"""Kinds that only lists of dividends can suffer."""

_CHANGES: tuple[str, ...] = get_args(Change)
_KINDS: tuple[str, ...] = (*_CHANGES, *get_args(Replacement))


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. The first group of fields says when it applies, the second how."""

    kind: Kind

    endpoint: Endpoint | None = None
    """One of `request.Endpoint`; None: any."""
    session: date | None = None
    """Only requests for bars of it; if `endpoint` says dividends, for windows with that day."""
    ticker: str | None = None
    """Only requests for this ticker alone."""
    active: bool | None = None
    """Only pages of the list of active, or of delisted, tickers."""
    after: int = 0
    """So many matching requests go well first."""
    times: int | None = None
    """So many requests fail; None: all."""

    seconds: float = 1.0
    retry_after: int | None = None
    http_date: bool = False
    """Whether Retry-After is a date instead of seconds."""
    rows: list[dict[str, Any]] | None = None
    """Rows in the vendor's shape; one without `t` gets that of the answer."""
    tickers: list[str] = []
    dates: list[date] = []
    """Which of their splits and dividends; none: all."""
    fields: list[str] = []
    factor: float = 2.0
    keep: int = 3
    days: int = 1
    megabytes: int | None = None
    """By default 2,048 of a `gzip_bomb` and 512 of a `huge_body`."""
    url: str = "https://api.example.invalid/v3/reference/tickers?cursor=c3RvbGVu"
    """Of a `redirect` or `foreign_next_url`; `{key}` in it stands for the request's key."""

    @property
    def ends(self) -> bool:
        """Whether no later rule is tried after this one."""
        return self.kind not in _CHANGES

    @property
    def _is_of_bars(self) -> bool:
        return self.kind in _OF_BARS or (self.kind == "bad_rows" and self.rows is None)

    def matches(self, request: Request) -> bool:
        """Whether the request is one of those that the rule is about."""
        return (
            self.endpoint in (None, request.endpoint)
            and (request.endpoint in ("grouped", "range") or not self._is_of_bars)
            and (request.endpoint in ("splits", "older_splits") or self.kind not in _OF_SPLITS)
            and (
                request.endpoint in ("dividends", "older_dividends")
                or self.kind not in _OF_DIVIDENDS
            )
            and (self.session is None or self._is_of_session(request, self.session))
            and self.ticker in (None, request.ticker)
            and (
                self.active is None
                or (request.endpoint == "tickers" and self.active is request.asks_active)
            )
        )

    def _is_of_session(self, request: Request, session: date) -> bool:
        asks_bars = request.endpoint in ("grouped", "range")
        return request.covers(session) and (asks_bars or self.endpoint is not None)


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0

    def strikes(self, request: Request) -> bool:
        if not self.fault.matches(request):
            return False
        self.seen += 1
        since = self.seen - self.fault.after
        return since > 0 and (self.fault.times is None or since <= self.fault.times)


class Faults:
    """The rules of a simulated vendor; safe to change while it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, kind: Kind, **options: Any) -> None:
        """Add a rule with the fields of `Fault`.

        Raises:
            ValueError: an option is unknown or has a value of another type.
        """
        self.extend([msgspec.convert({"kind": kind, **options}, Fault)])

    def extend(self, faults: list[Fault]) -> None:
        """Add rules."""
        with self._lock:
            self._armed.extend(_Armed(fault) for fault in faults)

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._armed.clear()

    def striking(self, request: Request) -> list[Fault]:
        """The rules that apply to this request, which uses them up."""
        found: list[Fault] = []
        with self._lock:
            for armed in self._armed:
                if armed.strikes(request):
                    found.append(armed.fault)
                    if armed.fault.ends:
                        break
        return found


def fault_from_text(text: str) -> Fault:
    """Read `KIND` or `KIND:field=value,field=value`, lists with `+`: `missing:tickers=AAPL+MSFT`.

    Raises:
        ValueError: the text is not a fault; the message says why.
    """
    kind, _, options = text.partition(":")
    if kind not in _KINDS:
        raise ValueError(f"the kinds are {', '.join(_KINDS)}")
    fields: dict[str, Any] = {"kind": kind}
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        fields[name] = value.split("+") if name in ("tickers", "fields", "dates") else value
    return msgspec.convert(fields, Fault, strict=False)
