"""Takes the pictures of docs/screenshots again, from a demo: `make screenshots`."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from selenium.webdriver import Chrome

from universe_pipeline_tests.support.chromium import chromium
from universe_pipeline_tests.support.dagster_page import Page, mark_as_greeted
from universe_pipeline_tests.support.serving import PROGRAM, free_port

PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"
SESSIONS = 100
PARTITION_DAYS = 200
"""As many days have partitions, so that the bar of the loaded ones can be seen."""


def main() -> None:
    """Load a demo, look at it, and clean up."""
    home = Path(tempfile.mkdtemp(prefix="universe-screenshots-"))
    home.chmod(0o755)  # as root, the database runs as another account
    start = datetime.now(UTC).date() - timedelta(days=PARTITION_DAYS)
    environment = {
        **os.environ,
        "HOME": str(home),
        "UNIVERSE_HOME": str(home),
        "UNIVERSE_START_DATE": start.isoformat(),
    }
    try:
        with demo(environment, home) as url, chromium(environment) as browser:
            mark_as_greeted(home / "demo" / "dagster")
            take_all(Page(browser, url))
            take_report(browser, environment, home / "demo")
    finally:
        shutil.rmtree(home)


@contextmanager
def demo(environment: Mapping[str, str], home: Path) -> Generator[str]:
    """A demo that serves what it has loaded; its URL."""
    command = [PROGRAM, "demo", "--serve", "--sessions", str(SESSIONS), "--port", str(free_port())]
    with subprocess.Popen(
        command, env=environment, cwd=home, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _url(process)
        finally:
            process.send_signal(signal.SIGTERM)


def _url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if said := re.search(r"Dagster is at (\S+)", line):
            return said[1]
    raise AssertionError("the demo ended")


def take_all(page: Page) -> None:
    """Every picture, each once the page shows what it is about."""
    page.resize(900)
    page.open("/locations/universe_pipeline/asset-groups/universe")
    page.await_line("2 / 2 Passed")
    page.picture(PICTURES / "graph.png")

    page.open("/assets/daily_bars?view=partitions")
    page.click("Hide navigation")
    page.await_line(f"Materialized ({SESSIONS})")
    page.picture(PICTURES / "partitions.png")

    page.untick("Missing (")
    newest = max(page.await_seen("partitions", lambda: page.titles("20")))
    page.click_title(newest)
    page.resize(1310)  # high enough for a session with its sample and plot
    page.await_seen("a plot", lambda: page.drawn_width("bars per session"))
    page.picture(PICTURES / "partition.png")

    page.resize(900)
    page.click("Checks")
    page.await_seen("a result", lambda: page.below("Evaluation result"))
    page.picture(PICTURES / "checks.png")


def take_report(browser: Chrome, environment: Mapping[str, str], demo_home: Path) -> None:
    """The top of the report, down to its charts."""
    command = [PROGRAM, "report", "--output", demo_home / "report.html"]
    subprocess.run(command, env={**environment, "UNIVERSE_HOME": str(demo_home)}, check=True)
    browser.set_window_size(1100, 1560)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    browser.get((demo_home / "report.html").as_uri())
    (PICTURES / "report.png").write_bytes(browser.get_screenshot_as_png())


if __name__ == "__main__":
    main()
