"""Only the page itself and command-line clients reach Dagster's webserver."""

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlencode

import pytest

from universe_pipeline.orchestration.execution.page_guard import PageGuard

OWN = "127.0.0.1:3000"
MUTATION = "mutation { wipeAssets(assetPartitionRanges: []) { __typename } }"


async def application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})


def ask(
    path: str = "/graphql",
    method: str = "POST",
    *,
    headers: dict[str, str] | None = None,
    query: str = "",
    kind: str = "http",
    origin: str | None = None,
    host: str | None = OWN,
) -> list[MutableMapping[str, Any]]:
    """What one request is answered with."""
    sent: list[MutableMapping[str, Any]] = []
    given = {**({} if host is None else {"host": host}), **(headers or {})}
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("the guard reads no body")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(PageGuard(application, origin)(scope, receive, send))
    return sent


def status(*arguments: Any, **options: Any) -> int:
    return ask(*arguments, **options)[0]["status"]


@pytest.mark.parametrize(
    "host", [OWN, "localhost:3000", "LOCALHOST:8080", "[::1]:3000", "127.0.0.2", "localhost"]
)
def test_the_machine_answers_to_its_own_names_on_any_port(host: str) -> None:
    assert status("/", "GET", host=host) == 200
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:3000", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0:3000", "",
     "10.0.0.1:3000", "evil@127.0.0.1:3000", "[::1", "localhost:3000, evil.example"],
)  # fmt: skip
def test_a_name_that_may_resolve_here_is_refused_even_for_reading(host: str) -> None:
    assert status("/", "GET", host=host) == 403
    assert status(host=host) == 403


def test_a_request_without_a_host_is_refused() -> None:
    assert status("/", "GET", host=None) == 403


@pytest.mark.parametrize("path", ["http://evil.example/graphql", f"http://{OWN}/", "*", ""])
def test_a_target_that_is_not_a_path_is_refused(path: str) -> None:
    assert status(path) == 403
    assert status(path, "GET") == 403


def test_a_command_line_client_sends_no_origin_and_is_served() -> None:
    assert status() == 200
    assert status("/report_asset_materialization/daily_bars") == 200


@pytest.mark.parametrize("path", ["/graphql", "/report_asset_check/daily_bars", "/anything"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:3000.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": f"http://{OWN}", "sec-fetch-site": "cross-site"},
    ],
)
def test_what_another_site_posts_is_refused(path: str, headers: dict[str, str]) -> None:
    assert status(path, headers=headers) == 403


def test_the_page_itself_is_served() -> None:
    own = {"origin": f"http://{OWN}", "sec-fetch-site": "same-origin"}
    assert status(headers=own) == 200
    assert ask(kind="websocket", headers=own) == [{"type": "websocket.accept"}]


def test_a_websocket_of_another_site_is_closed_before_it_opens() -> None:
    answer = ask(kind="websocket", headers={"origin": "https://evil.example"})
    assert [one["type"] for one in answer] == ["websocket.close"]
    assert [one["type"] for one in ask(kind="websocket", host="evil.example")] == [
        "websocket.close"
    ]


def test_an_image_of_another_site_reaches_no_graphql() -> None:
    sent = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert status(method="GET", headers=sent, query="query={version}") == 403


def test_a_link_on_another_site_leads_to_the_page() -> None:
    sent = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
    assert status("/assets", "GET", headers=sent) == 200


@pytest.mark.parametrize("path", ["/", "/logs/run/key", "/download_debug/run", "/notebook"])
@pytest.mark.parametrize("kind", ["image", "script", "iframe", "empty", "object"])
def test_what_another_site_embeds_is_refused(path: str, kind: str) -> None:
    for site in ("cross-site", "same-site"):
        sent = {"sec-fetch-site": site, "sec-fetch-dest": kind}
        assert status(path, "GET", headers=sent) == 403
    assert status(path, "GET", headers={"origin": "https://evil.example"}) == 403


def test_a_page_that_opened_this_one_keeps_no_hold_of_it() -> None:
    headers = dict(ask("/", "GET")[0]["headers"])
    assert headers[b"cross-origin-opener-policy"] == b"same-origin"
    assert headers[b"cross-origin-resource-policy"] == b"same-origin"


@pytest.mark.parametrize(
    "document",
    [
        MUTATION,
        f"query A {{version}} {MUTATION.replace('mutation', 'mutation B')}",
        "subscription {x}",
        f"# a comment\n  {MUTATION}",
    ],
)
def test_no_mutation_goes_by_get_whoever_sends_it(document: str) -> None:
    assert status(method="GET", query=urlencode({"query": document})) == 403


def test_the_last_of_two_documents_is_looked_at_too() -> None:
    assert status(method="GET", query=urlencode([("query", "{a}"), ("query", MUTATION)])) == 403


def test_a_query_by_get_is_served() -> None:
    assert status(method="GET", query="query=%7Bversion%7D") == 200
    assert status(method="GET", query="query=%7B") == 200  # Dagster says what is wrong with it


def test_no_other_page_may_frame_this_one() -> None:
    headers = dict(ask("/", "GET")[0]["headers"])
    assert headers[b"content-security-policy"] == b"frame-ancestors 'none'"
    assert headers[b"x-frame-options"] == b"DENY"


def test_a_proxy_may_serve_the_page_under_its_own_origin() -> None:
    public = "https://dagster.example.com"
    own = {"origin": public, "sec-fetch-site": "same-origin"}
    assert status(headers=own, host="dagster.example.com", origin=public) == 200
    assert status(headers=own, host=OWN, origin=public) == 200  # a proxy that rewrites Host
    foreign = {"origin": "https://evil.example"}
    assert status(headers=foreign, host="dagster.example.com", origin=public) == 403
    assert status(host="other.example.com", origin=public) == 403
