"""What the pages of `daily_bars` say of a session that is loaded, and of its checks."""

import pytest

from universe_pipeline_tests.support.dagster_page import Page
from universe_pipeline_tests.support.simulated_answers import Row, grouped
from universe_pipeline_tests.support.site import Site

PRICES = ("open", "high", "low", "close", "volume", "vwap")


@pytest.fixture(scope="module", autouse=True)
def _loaded(site: Site) -> None:
    """Two sessions, by the command line; the second one loses a bar behind the product's back."""
    loaded = site.universe("historical", "--start", "2024-03-13", "--end", "2024-03-14")
    assert loaded.returncode == 0, loaded.stderr
    site.rows("DELETE FROM daily_bars WHERE date = '2024-03-14' AND symbol = 'SPY' RETURNING 1")
    assert site.universe("verify").returncode == 1


def open_asset(page: Page, tab: str | None = None) -> None:
    """From the graph to `daily_bars` in the catalogue, and there to a tab."""
    page.open("/locations/universe_pipeline/asset-groups/universe")
    page.await_seen("assets", page.assets)
    page.click_text("daily_bars")
    page.click("View in Asset Catalog")
    page.await_line("Row count")
    if tab is not None:
        page.click(tab)


def shown(row: Row) -> list[str]:
    """A bar of the vendor as a person reads it."""
    symbol, *numbers, transactions = row
    rounded = [round(number or 0, 4) for number in numbers]
    return [symbol, *(f"{n:,}".removesuffix(".0") for n in rounded), f"{transactions:,}"]


@pytest.mark.system
def test_the_page_of_the_asset_says_what_it_is_whose_it_is_and_how_much_there_is(
    page: Page, site: Site
) -> None:
    stored = len(grouped(site.vendor, "2024-03-14"))

    open_asset(page)
    page.await_line("received")

    assert page.below("Description")[0].startswith("Daily bars as traded (not adjusted)")
    assert page.below("Row count") == [str(stored)]
    assert page.below("Group") == ["universe"]
    assert page.below("Owners") == ["market-data"]
    assert page.below("Kinds", 2) == ["Polars", "Postgres"]
    assert page.below("Storage") == ["public.daily_bars"]
    assert page.below("vwap", 2) == [
        "double precision",
        (
            "USD a share; mean price by volume, odd lots and extended hours included; "
            "null where the vendor sends none"
        ),
    ]
    assert page.complaints() == []


@pytest.mark.system
def test_the_page_of_the_asset_plots_the_bars_of_the_last_sessions(page: Page) -> None:
    open_asset(page)

    width = page.await_seen("a plot", lambda: page.drawn_width("bars per session"))

    assert width == 400
    assert page.complaints() == []


@pytest.mark.system
def test_a_run_says_for_which_job_of_the_command_line_it_worked(page: Page) -> None:
    page.open("/runs")

    page.await_line("universe/job: historical_load_2024-03-13_2024-03-14")

    assert page.complaints() == []


@pytest.mark.system
def test_a_partition_shows_how_many_rows_it_has_and_its_five_bars_of_the_largest_turnover(
    page: Page, site: Site
) -> None:
    answer = grouped(site.vendor, "2024-03-13")
    largest = sorted(answer, key=lambda row: row[4] * row[5], reverse=True)[:5]

    open_asset(page, "Partitions")
    page.fill("Filter by name", "2024-03-13")
    page.click_title("2024-03-13")
    page.await_line("Materialized")

    assert page.await_seen("rows", lambda: page.cell("dagster/row_count")) == str(len(answer))
    assert page.cell("received") == str(len(answer))
    assert page.cell("rejected") == "0"
    assert page.table("sample") == [shown(row) for row in largest]
    assert "SELECT * FROM daily_bars WHERE date = '2024-03-13'" in page.cell("query")
    assert page.complaints() == []


@pytest.mark.system
def test_a_check_that_passed_says_what_it_means_and_that_nothing_offends(page: Page) -> None:
    open_asset(page, "Checks")
    page.click_title("daily_bars_have_consistent_ohlc")
    page.await_line("High is the highest and low the lowest price of every bar.")

    assert page.await_seen("a result", lambda: page.below("Evaluation result")) == ["Passed"]
    assert page.cell("offenders") == "0"
    assert page.complaints() == []


@pytest.mark.system
def test_a_check_that_is_executed_by_itself_says_what_it_found(page: Page, site: Site) -> None:
    spoil = "UPDATE daily_bars SET high = high / 1024 WHERE symbol = %s AND date = %s RETURNING 1"
    mend = "UPDATE daily_bars SET high = high * 1024 WHERE symbol = %s AND date = %s RETURNING 1"
    open_asset(page, "Checks")
    page.click_title("daily_bars_have_consistent_ohlc")
    page.await_seen("a result", lambda: page.below("Evaluation result") == ["Passed"])

    site.rows(spoil, "SPY", "2024-03-13")
    page.click("Execute")
    page.await_seen("a new result", lambda: page.below("Evaluation result") == ["Failed"])
    page.await_seen(
        "the bar", lambda: [line for line in page.lines if line.startswith("2024-03-13 SPY: open")]
    )
    site.rows(mend, "SPY", "2024-03-13")
    page.click("Execute")
    page.await_seen("the next one", lambda: page.below("Evaluation result") == ["Passed"])

    assert page.cell("offenders") == "0"
    assert page.complaints() == []


@pytest.mark.system
def test_a_check_that_failed_names_the_session_and_the_counts(page: Page, site: Site) -> None:
    stored = len(grouped(site.vendor, "2024-03-14"))

    open_asset(page, "Checks")
    page.click_title("daily_bars_match_their_load")
    page.await_line(
        "Every session holds what its load stored; its contents are compared in a verification."
    )

    result = page.await_seen("a result", lambda: page.below("Evaluation result"))
    offenders = page.cell("offenders")
    lines = page.below("Latest execution")
    page.click("[Show Markdown]")
    page.await_line("universe historical --start 2024-03-14 --end 2024-03-14 --reload")

    assert result == ["Failed"]
    assert lines[0].startswith(f"2024-03-14: {stored - 1} bars, {stored} stored")
    assert offenders == "2"  # the count, and the contents
    assert page.complaints() == []
