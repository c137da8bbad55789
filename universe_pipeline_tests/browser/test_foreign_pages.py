"""A page of another origin, open in the same browser, cannot drive or read Dagster's page."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from universe_pipeline_tests.support.chromium import chromium
from universe_pipeline_tests.support.serving import Up
from universe_pipeline_tests.support.site import Site
from universe_pipeline_tests.support.webserver import until

ATTACK = """\
<!doctype html><title>evil</title>
<script>window.answers = {};</script>
<img src="URL/graphql?query=mutation%7BsetNuxSeen%7D">
<iframe src="URL/" name="framed"></iframe>
<form method="post" enctype="text/plain" target="framed"
  action="URL/report_asset_materialization/daily_bars?partition=2024-11-25"></form>
<script>
document.forms[0].submit();
const socket = new WebSocket("URL/graphql".replace("http", "ws"), "graphql-ws");
socket.onopen = () => { window.answers.socket = "opened"; };
socket.onerror = () => { window.answers.socket = "refused"; };
fetch("URL/graphql?query=mutation%7BsetNuxSeen%7D", {method: "POST", mode: "no-cors"})
  .then(answer => { window.answers.post = answer.type; },
        () => { window.answers.post = "blocked"; });
for (const place of ["/", "/download_debug/run"]) {
  const embedded = document.createElement("script");
  embedded.onload = () => { window.answers[place] = "embedded"; };
  embedded.onerror = () => { window.answers[place] = "blocked"; };
  embedded.src = "URL" + place;
  document.head.append(embedded);
}
const opened = window.open("URL/");
setTimeout(() => { window.answers.opened = opened.closed ? "cut" : "held"; }, 5000);
</script>
"""
"""What a malicious page would try: an image, a frame, a form, a WebSocket, a request, a window."""


@contextmanager
def another_site(page: str) -> Generator[str]:
    """Serve one page on loopback; its origin differs by the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.system
def test_a_page_of_another_origin_can_neither_drive_nor_frame_this_one(up: Up, site: Site) -> None:
    url = up.webserver.url

    with another_site(ATTACK.replace("URL", url)) as evil, chromium(site.environment) as browser:
        browser.get(evil)
        until(lambda: len(browser.execute_script("return window.answers")) == 5)
        answers = browser.execute_script("return window.answers")
        said = [one["message"] for one in browser.get_log("browser")]
        refused = [one for one in said if "403" in one or "ERR_BLOCKED_BY_RESPONSE" in one]
        framed = browser.execute_script("return window.frames.length")
        browser.switch_to.frame("framed")
        shown = browser.page_source

    assert answers == {
        "socket": "refused",
        "post": "blocked",
        "/": "blocked",
        "/download_debug/run": "blocked",
        "opened": "cut",
    }
    assert framed == 1
    assert "Dagster" not in shown
    assert any("/graphql?query=mutation" in message for message in refused), refused
    assert up.webserver.partitions("daily_bars").materialized == []
