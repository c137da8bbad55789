"""`universe up` serves its page to the page itself and to command-line clients, over real HTTP."""

from collections.abc import Generator
from contextlib import closing
from http.client import HTTPConnection

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from universe_pipeline_tests.support.serving import Up, serving
from universe_pipeline_tests.support.site import Site, made_site

VERSION = {"query": "{version}"}
FOREIGN = "https://evil.example"


@pytest.fixture(scope="module")
def up(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Up]:
    """Running services, where the environment names a proxy that does not answer."""
    with made_site(server_url, template, tmp_path_factory.mktemp("guard")) as site:
        site.environment["http_proxy"] = "http://127.0.0.1:9"  # loopback never goes through it
        yield from _running(site)


def _running(site: Site) -> Generator[Up]:
    with serving(site.environment, site.folder) as up:
        _ = up.webserver
        yield up
        assert up.end() == 0, up.out


def test_own_and_foreign_requests_over_http_and_websockets(up: Up) -> None:
    url, own = up.webserver.url, f"http://127.0.0.1:{up.port}"
    graphql = f"{url}/graphql"

    def post(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(graphql, json=VERSION, headers=named).status_code

    assert post() == 200
    assert post(origin=own, sec_fetch_site="same-origin") == 200
    assert post(origin=FOREIGN) == 403
    assert post(sec_fetch_site="cross-site") == 403
    assert post(host="evil.example") == 403
    assert httpx.get(url, headers={"host": "evil.example"}).status_code == 403
    assert httpx.get(graphql, params=VERSION).status_code == 200
    mutation = {"query": "mutation {wipeAssets(assetPartitionRanges: []) {__typename}}"}
    assert httpx.get(graphql, params=mutation).status_code == 403
    report = f"{url}/report_asset_materialization/daily_bars"
    assert httpx.post(report, headers={"origin": FOREIGN}).status_code == 403
    with closing(HTTPConnection("127.0.0.1", up.port)) as absolute:
        absolute.putrequest("GET", "http://evil.example/server_info", skip_host=True)
        absolute.putheader("Host", f"127.0.0.1:{up.port}")
        absolute.endheaders()
        assert absolute.getresponse().status == 403
    page = httpx.get(url)
    assert page.status_code == 200
    policies = page.headers.get_list("content-security-policy")
    assert "frame-ancestors 'none'" in policies
    assert len(policies) == 2  # Dagster's own stays

    socket = graphql.replace("http", "ws", 1)
    with connect(socket, origin=own, subprotocols=["graphql-ws"]) as live:  # pyright: ignore[reportArgumentType]  # an origin is a text
        live.send('{"type": "connection_init"}')
        assert "connection_ack" in str(live.recv(timeout=10))
    with pytest.raises(InvalidStatus, match="403"), connect(socket, origin=FOREIGN):  # pyright: ignore[reportArgumentType]  # an origin is a text
        pass
