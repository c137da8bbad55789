"""The plot of bars per session: right, and small enough to be shown at once."""

from datetime import date, timedelta

from universe_pipeline.orchestration.display.plot import PLOTTED, bars_per_session


def drawn(*counts: int) -> str:
    """The plot of sessions that begin with 24 June 2024."""
    days = [date(2024, 6, 24) + timedelta(days=n) for n in range(len(counts))]
    return bars_per_session(dict(zip(days, counts, strict=True))).value or ""


def test_it_steps_between_the_fewest_and_the_most_bars_with_a_gap_where_nothing_is_loaded() -> None:
    plot = drawn(10_000, 11_000, 11_000, 0, 10_500)

    assert plot.startswith("![bars per session](<data:image/svg+xml,%3Csvg ")
    assert "d='M0 15m0 50h4v-50h4v0h4m4 0m0 25h4'" in plot
    assert "%3E10,000 to 11,000 bars%3C" in plot
    assert "%3E2024-06-24%3C" in plot
    assert "%3E2024-06-28%3C" in plot


def test_sessions_that_are_alike_or_not_there_make_no_trouble() -> None:
    assert "d='M0 15m0 0h4v0h4'" in drawn(10_500, 10_500)
    assert "d='M0 15m4 0m4 0'" in drawn(0, 0)


def test_the_longest_plot_there_can_be_is_shown_at_once() -> None:
    up_and_down = drawn(*[1, 99_999] * (PLOTTED // 2))
    with_gaps = drawn(*[1, 0, 99_999, 0] * (PLOTTED // 4))

    assert max(len(up_and_down), len(with_gaps)) < 1000  # Dagster hides longer Markdown
