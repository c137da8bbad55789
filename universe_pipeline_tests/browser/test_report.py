"""The report in a real browser: light and dark, wide and narrow; and its pictures in Dagster."""

import threading
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from universe_pipeline_tests.support.chromium import chromium
from universe_pipeline_tests.support.dagster_page import Page
from universe_pipeline_tests.support.site import Site

WINDOWS = {"desktop": 1280, "tablet": 800, "phone": 360}
PICTURES = {
    "calendar": "sessions of 2024",
    "bars": "bars compared with the usual",
    "symbols": "symbols that trade",
}
"""By the name in the asset's metadata."""
HOSTILE = "<b>$(x)</b>"

SPOIL = """
    WITH failed AS (
        UPDATE session_loads SET status = 'failed', stored = 0, received = 0, rejected = 0
        WHERE date = '2024-02-27' RETURNING date
    ), pending AS (
        UPDATE session_loads SET status = 'pending', stored = 0, received = 0, rejected = 0
        WHERE date = '2024-02-29' RETURNING date
    ), halved AS (
        UPDATE session_loads SET status = 'quarantined', stored = 150, received = 150, rejected = 0
        WHERE date = '2024-02-14' RETURNING date
    ), broken AS (
        INSERT INTO broken_rules (date, rule, severity, detail, judged_at)
        SELECT date '2024-02-14', 'session_has_a_plausible_row_count', 'ERROR', '150 bars', now()
        UNION ALL SELECT '2024-02-20', 'session_moves_as_usual', 'WARN', 'turnover 1 USD', now()
        RETURNING date
    ), judged AS (
        INSERT INTO rule_results (judged_at, occasion, rule, severity, offenders, examples)
        SELECT now(), 'verification', 'ohlc_order', 'ERROR', 1, jsonb_build_array(
            jsonb_build_object('date', '2024-02-20', 'symbol', %s::text, 'detail', 'high 1'))
        RETURNING judged_at
    )
    INSERT INTO data_fetch_errors (dataset, endpoint, date, kind, message, attempts, retryable)
    VALUES ('daily_bars', '/v2/x', '2024-02-27', 'not_json', %s, 6, true) RETURNING id
    """


@dataclass(frozen=True, slots=True)
class Served:
    """Where the report is, behind a server that lets it load nothing."""

    url: str
    asked: list[str]
    """What the browser asked for."""


@pytest.fixture(scope="module")
def served(site: Site) -> Generator[Served]:
    """The report of 40 sessions of every condition, made by the command line."""
    loaded = site.universe("historical", "--start", "2024-01-02", "--end", "2024-02-29")
    assert loaded.returncode == 0, loaded.stderr
    site.rows(SPOIL, HOSTILE, HOSTILE)
    made = site.universe("report")
    assert made.returncode == 0, made.stderr
    asked: list[str] = []

    class Strict(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            self.send_header(
                "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"
            )
            super().end_headers()

        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    handler = partial(Strict, directory=str(site.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Served(f"http://127.0.0.1:{server.server_port}/report.html", asked)
        server.shutdown()


@pytest.fixture(scope="module")
def browser(site: Site) -> Generator[Chrome]:
    """One browser for all looks at the report."""
    # Not the site's environment: what has that is taken for a part of the services.
    with chromium({"HOME": str(site.folder)}) as browser:
        yield browser


def look(browser: Chrome, served: Served, scheme: str, window: str) -> None:
    """Open the report in a window of that width, as a user who likes light or dark."""
    size = {"width": WINDOWS[window], "height": 900, "deviceScaleFactor": 1}
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {**size, "mobile": window == "phone"}
    )
    liked = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": liked})
    browser.get(served.url)


def measured(browser: Chrome, script: str) -> Any:
    """What a line of script says of the page, by the tools' own way past its policy."""
    found = browser.execute_cdp_cmd(
        "Runtime.evaluate", {"expression": script, "returnByValue": True}
    )
    return found["result"].get("value")


def boxes(browser: Chrome, selector: str) -> list[list[float]]:
    """Left, right, width and height of what is shown."""
    return measured(
        browser,
        f"[...document.querySelectorAll('{selector}')].map(e => e.getBoundingClientRect())"
        ".filter(b => b.width).map(b => [b.left, b.right, b.width, b.height])",
    )


LOOKS = list(product(("light", "dark"), WINDOWS))


@pytest.mark.system
@pytest.mark.parametrize(("scheme", "window"), LOOKS)
def test_nothing_reaches_over_the_edge(
    browser: Chrome, served: Served, scheme: str, window: str
) -> None:
    look(browser, served, scheme, window)

    assert measured(browser, "document.documentElement.scrollWidth") <= WINDOWS[window]
    edges = boxes(browser, "svg, svg text, td, tbody th, code, p, h2, li, dd")
    assert [box for box in edges if box[0] < 0 or box[1] > WINDOWS[window]] == []


@pytest.mark.system
@pytest.mark.parametrize(("scheme", "window"), LOOKS)
def test_every_chart_is_there_once_and_large_enough_to_be_read(
    browser: Chrome, served: Served, scheme: str, window: str
) -> None:
    look(browser, served, scheme, window)

    charts = boxes(browser, "figure svg")
    texts = boxes(browser, "figure svg text")

    assert len(charts) == 1 + 3 + 3  # half a year, bars and symbols, rules of each severity
    assert [chart for chart in charts if chart[2] < 250 or chart[3] < 40] == []
    assert [text for text in texts if text[3] < 10] == []
    assert len(texts) > 30


@pytest.mark.system
@pytest.mark.parametrize(
    ("scheme", "page", "ink"),
    [
        ("light", "rgb(253, 253, 252)", "rgb(29, 33, 37)"),
        ("dark", "rgb(22, 24, 27)", "rgb(228, 230, 232)"),
    ],
)
def test_page_and_charts_are_light_or_dark_as_the_user_likes(
    browser: Chrome, served: Served, scheme: str, page: str, ink: str
) -> None:
    look(browser, served, scheme, "desktop")

    assert measured(browser, "getComputedStyle(document.body).backgroundColor") == page
    assert measured(browser, "getComputedStyle(document.body).color") == ink
    squares = measured(
        browser,
        "[...new Set([...document.querySelectorAll('.year path')]"
        ".filter(e => e.querySelector('title')).map(e => getComputedStyle(e).fill))].length",
    )
    assert squares == 6  # five conditions, and the ink of the marks


@pytest.mark.system
def test_it_says_what_is_stored_and_shows_texts_of_the_vendor_as_they_are(
    browser: Chrome, served: Served
) -> None:
    look(browser, served, "light", "desktop")

    text = browser.find_element(By.TAG_NAME, "body").text

    assert "41 sessions from 2024-01-02 to 2024-02-29." in text
    assert "37 available\n1 degraded\n1 quarantined\n1 pending\n1 missing" in text
    assert f"2024-02-20 {HOSTILE} high 1" in text
    assert f"--symbols='{HOSTILE}'" in text
    assert browser.find_elements(By.TAG_NAME, "b") == []


@pytest.mark.system
def test_a_phone_shows_each_cell_of_a_table_with_its_name(browser: Chrome, served: Served) -> None:
    look(browser, served, "light", "phone")

    label = measured(
        browser, "getComputedStyle(document.querySelector('.troubles td'), '::before').content"
    )

    assert label == '"session"'


@pytest.mark.system
def test_it_loads_nothing_and_the_console_stays_clean(browser: Chrome, served: Served) -> None:
    Page(browser, "").complaints()
    served.asked.clear()

    for scheme, window in LOOKS:
        look(browser, served, scheme, window)

    assert set(served.asked) <= {"/report.html"}
    assert browser.get_log("browser") == []


@pytest.mark.system
def test_the_pictures_of_the_asset_are_shown_in_dagster(
    site: Site, served: Served, page: Page
) -> None:
    assert site.universe("verify").returncode == 1  # of the session that failed
    page.open("/assets/report")

    for label, name in PICTURES.items():
        page.click_beside(label, "[Show Markdown]")
        assert page.await_seen(name, lambda name=name: page.drawn_width(name)) > 300
        page.click("Close")

    assert page.complaints() == []
