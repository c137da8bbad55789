"""Fixtures of the services' tests: a site for one test, and one with running services for many."""

from collections.abc import Generator
from pathlib import Path

import pytest

from universe_pipeline_tests.support.serving import Up, serving
from universe_pipeline_tests.support.site import Site, made_site


@pytest.fixture
def site(server_url: str, template: str, tmp_path: Path) -> Generator[Site]:
    """A site of the test's own, where nothing runs yet."""
    with made_site(server_url, template, tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def shared_site(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Site]:
    """A site of the module; sessions are asked for one by one, so that faults strike in order."""
    folder = tmp_path_factory.mktemp("site")
    with made_site(server_url, template, folder, UNIVERSE_CONCURRENCY="1") as site:
        yield site


@pytest.fixture(scope="module")
def shared_up(shared_site: Site) -> Generator[Up]:
    """The module's running services."""
    with serving(shared_site.environment, shared_site.folder) as up:
        _ = up.webserver
        yield up
        up.end()


@pytest.fixture
def healthy(shared_site: Site) -> Generator[Site]:
    """The module's site with a vendor that makes no faults until the test says so."""
    shared_site.vendor.faults.clear()
    yield shared_site
    shared_site.vendor.faults.clear()
