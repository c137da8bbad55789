"""One running `universe up` for a file's tests, and a browser for each test."""

from collections.abc import Generator

import pytest

from universe_pipeline_tests.support.chromium import chromium
from universe_pipeline_tests.support.dagster_page import Page, mark_as_greeted
from universe_pipeline_tests.support.serving import Up, serving
from universe_pipeline_tests.support.site import Site, made_site


@pytest.fixture(scope="module")
def site(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Site]:
    """A user's place, and not the user's first visit."""
    with made_site(server_url, template, tmp_path_factory.mktemp("browser")) as site:
        mark_as_greeted(site.folder / "universe" / "dagster")
        yield site


@pytest.fixture(scope="module")
def up(site: Site) -> Generator[Up]:
    """Running services; at the end nothing of them is left."""
    with serving(site.environment, site.folder) as up:
        _ = up.webserver
        yield up
        assert up.end() == 0, up.out
        up.await_nothing_left()


@pytest.fixture
def page(up: Up, site: Site) -> Generator[Page]:
    """A new browser, which ends with the services, also after a failure."""
    with chromium(site.environment) as browser:
        yield Page(browser, up.webserver.url)
