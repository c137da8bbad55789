"""A range that is typed into the page, from the graph of assets to green partitions."""

from datetime import UTC, date, datetime, timedelta

import pytest

from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline_tests.conftest import START_DATE
from universe_pipeline_tests.support.dagster_page import Page
from universe_pipeline_tests.support.site import Site
from universe_pipeline_tests.support.webserver import ASSETS

THANKSGIVING_WEEK = ["2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02"]
"""Thursday, 28 November, was Thanksgiving; Friday closed early."""

ENDED = ("Succeeded", "Failed", "Canceled")


def launch_backfill(page: Page, selection: str, partitions: int) -> None:
    """Launch a backfill of the whole group, as the dialog asks for it."""
    page.open("/locations/universe_pipeline/asset-groups/universe")
    page.click("Materialize all…")
    page.click("Show all partitions")  # the dialog offers the last 90 days only
    page.fill(f"ex: {START_DATE}", selection)
    page.await_line(f"{partitions} partitions")
    page.click("Launch backfill")
    page.await_seen("no dialog", lambda: "Launch backfill" not in page.lines)


def await_end_of_backfill(page: Page) -> str:
    """Open the only backfill that there is; how it ends."""
    page.click("Runs")
    page.click_link("/runs/b/")
    return page.await_seen(
        "the end of the backfill",
        lambda: next((said for said in page.below("Status") if said in ENDED), None),
    )


def materialized_partitions(page: Page, asset: str) -> list[str]:
    """The partitions that the list of an asset has left without the missing ones."""
    page.click_title(asset)
    page.click("Partitions")
    page.await_line("Materialized (5)")
    page.untick("Missing (")
    return sorted(page.await_seen("partitions", lambda: page.titles("2024-")))


@pytest.mark.system
def test_the_graph_of_the_group_shows_the_three_assets(page: Page) -> None:
    page.open("/locations/universe_pipeline/asset-groups/universe")

    assets = page.await_seen("assets", page.assets)

    assert assets == ["daily_bars", "data_coverage", "symbols"]
    assert page.complaints() == []


@pytest.mark.system
def test_latest_is_the_newest_session_that_has_closed(page: Page) -> None:
    offered = datetime.now(UTC) - timedelta(hours=21)  # the UI's day ends at 21:00 UTC
    page.open("/locations/universe_pipeline/asset-groups/universe")
    page.click("Materialize all…")
    page.click("Latest")
    page.await_line("1 partition")

    latest = page.await_seen("a partition", lambda: page.filled("ex: 20"))

    assert latest == sessions_between(date(2003, 9, 10), offered.date())[-1].isoformat()
    assert page.complaints() == []


@pytest.mark.system
def test_a_range_that_is_typed_into_the_page_is_loaded_without_its_holiday_and_ends_green(
    page: Page, site: Site
) -> None:
    launch_backfill(page, "[2024-11-25...2024-12-02]", 5)

    ended = await_end_of_backfill(page)
    progress = {asset: page.below(asset, 5) for asset in ASSETS}
    materialized = materialized_partitions(page, "daily_bars")

    assert ended == "Succeeded"
    assert progress == {asset: ["100% completed", "5", "0", "5", "0"] for asset in ASSETS}
    assert materialized == THANKSGIVING_WEEK
    assert site.loaded() == THANKSGIVING_WEEK
    assert site.requests() == THANKSGIVING_WEEK
    assert site.differing(THANKSGIVING_WEEK) == []
    assert page.complaints() == []
