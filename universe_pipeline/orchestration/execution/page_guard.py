"""The ASGI layer before Dagster's webserver, which has no login and trusts every request.

Dagster answers any page that a browser on this machine has open: another site's image could start
a run, its form could wipe assets, and a name that resolves to 127.0.0.1 could read everything.
The guard lets a browser use the page from the page's own origin only:

- The Host header must name this machine, or the origin that a proxy with a login is reached at.
  The target of a request must be a path: one that names a host would count before the header.
- What changes something, GraphQL and WebSockets must not come from another origin, by the Origin
  and Sec-Fetch-Site headers that browsers send. Command-line clients send neither.
- GraphQL over GET may query, and change nothing.
- Another page may link to this one. It may not frame it, embed what it serves, or hold its window.

It does not protect against other accounts or programs on this machine, which can send any header.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

from universe_pipeline.domain.addresses import is_loopback

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_READING = ("GET", "HEAD", "OPTIONS")
_GUARDED_PATHS = ("/graphql", "/report_")
_OWN_SITE = ("same-origin", "none")
"""What browsers send with a page's own requests, and with an address that a person typed."""

_FOR_BROWSERS = [
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
"""No other page may frame this one, embed what it serves, or keep hold of its window."""
_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")
_POLICY_VIOLATION = 1008


class PageGuard:
    """Passes on to `application` what the page itself, or a command-line client, asks for."""

    def __init__(self, application: Application, origin: str | None = None) -> None:
        """Guard `application`.

        Args:
            application: Dagster's ASGI application.
            origin: like https://dagster.example.com, where a proxy serves the page.
        """
        self._application, self._origin = application, origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection of the ASGI server."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
        elif refusal := self._refusal(scope):
            await _refuse(scope, send, refusal)
        else:
            await self._application(scope, receive, _apart(send))

    def _refusal(self, scope: Scope) -> str | None:
        """Why a request is refused; None where it is not."""
        host = _only(scope, b"host")
        if host is None or not self._is_own_host(host):
            return (
                "this page answers to the names of its own machine only; set UNIVERSE_PAGE_ORIGIN "
                "where a proxy serves it under another name"
            )
        if not scope["path"].startswith("/"):
            return "the target of a request to this page must be a path"
        if self._is_foreign(scope, host) and (_is_guarded(scope) or not _is_link(scope)):
            return "another site sent this request"
        if scope["type"] == "http" and scope["method"] in _READING and _changes(scope):
            return "GraphQL over GET may only query: send a mutation by POST"
        return None

    def _is_own_host(self, host: str) -> bool:
        if self._origin is not None and host == urlsplit(self._origin).netloc:
            return True
        named = _HOST.fullmatch(host)
        return named is not None and is_loopback(named["name"].strip("[]"))

    def _is_foreign(self, scope: Scope, host: str) -> bool:
        sites = _all(scope, b"sec-fetch-site")
        origins = [one.lower() for one in _all(scope, b"origin")]
        own = {f"http://{host}", f"https://{host}", self._origin}
        return not own.issuperset(origins) or any(site not in _OWN_SITE for site in sites)


def _is_guarded(scope: Scope) -> bool:
    is_reading = scope["type"] == "http" and scope["method"] in _READING
    return not is_reading or scope["path"].startswith(_GUARDED_PATHS)


def _is_link(scope: Scope) -> bool:
    """Whether a person followed a link: only then a browser shows what comes as a page."""
    return _all(scope, b"sec-fetch-dest") == ["document"]


def _changes(scope: Scope) -> bool:
    """Whether a query string holds a GraphQL document that does more than to query."""
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return any(name == "query" and _is_mutation(document) for name, document in given)


def _is_mutation(document: str) -> bool:
    try:
        definitions = parse(document).definitions
    except GraphQLError:
        return False  # Dagster says what is wrong with it
    return any(
        isinstance(one, OperationDefinitionNode) and one.operation is not OperationType.QUERY
        for one in definitions
    )


def _all(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _only(scope: Scope, name: bytes) -> str | None:
    """The header's value in lower case; None where it is missing or stands more than once."""
    values = _all(scope, name)
    return values[0].lower() if len(values) == 1 else None


async def _refuse(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})
        return
    plain = [(b"content-type", b"text/plain; charset=utf-8"), *_FOR_BROWSERS]
    await send({"type": "http.response.start", "status": 403, "headers": plain})
    await send({"type": "http.response.body", "body": f"refused: {reason}\n".encode()})


def _apart(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_FOR_BROWSERS]
        await send(message)

    return sent
