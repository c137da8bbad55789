"""Chromium without a window, driven through the chromedriver that the distribution installs."""

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root too
    "--disable-dev-shm-usage",  # containers have little of it
    "--window-size=1440,1000",
    "--lang=en-US",
)


@contextmanager
def chromium(environment: Mapping[str, str]) -> Generator[webdriver.Chrome]:
    """A browser that has never been anywhere; its processes get `environment`."""
    options = webdriver.ChromeOptions()
    options.binary_location = _installed("chromium")
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With the driver's path given, selenium downloads none.
    service = Service(_installed("chromedriver"), env=dict(environment))
    browser = webdriver.Chrome(options=options, service=service)
    try:
        yield browser
    finally:
        browser.quit()


def _installed(program: str) -> str:
    path = shutil.which(program)
    assert path is not None, f"{program} is not installed"
    return path
