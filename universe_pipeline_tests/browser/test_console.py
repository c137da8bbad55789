"""That no page complains is a claim only if a complaint would be noticed."""

from pathlib import Path

import pytest

from universe_pipeline_tests.support.chromium import chromium
from universe_pipeline_tests.support.dagster_page import Page


@pytest.mark.system
def test_an_error_that_a_page_writes_to_the_console_is_noticed(tmp_path: Path) -> None:
    with chromium({"HOME": str(tmp_path)}) as browser:
        page = Page(browser, "data:text/html,")
        page.open("<script>console.info('hello'); console.error('broken')</script>")

        complaints = page.complaints()

    assert len(complaints) == 1
    assert "broken" in complaints[0]
