"""The figures behind the pictures, compared with counts made by hand."""

from datetime import date
from typing import Any

import polars as pl

from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.reporting.frames import Lives, half_years, with_usual

DAYS = sessions_between(date(2024, 1, 2), date(2024, 3, 28))  # 61 sessions
EARLY, LATE = DAYS[19], DAYS[-20]


def loads(*stored: int | None, status: str = "loaded") -> pl.DataFrame:
    """Sessions from the first of DAYS on; None was never asked for."""
    rows = [(day, status, n) if n else (day, None, 0) for day, n in zip(DAYS, stored, strict=False)]
    schema = {"date": pl.Date, "status": pl.String, "stored": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def compared(sessions: pl.DataFrame, session: int) -> dict[str, Any]:
    return with_usual(sessions, Thresholds()).row(session, named=True)


def spans(*given: tuple[date, date, int]) -> pl.DataFrame:
    schema = {"first": pl.Date, "last": pl.Date, "symbols": pl.Int64}
    return pl.DataFrame(given, schema=schema, orient="row")


def test_usual_is_the_median_of_the_twenty_loaded_sessions_before() -> None:
    sessions = loads(*range(1001, 1021), 5000)

    assert compared(sessions, 20)["usual"] == 1010.5
    assert compared(sessions, 19)["usual"] is None


def test_a_session_that_is_not_loaded_says_nothing_of_what_is_usual() -> None:
    known = loads(*[1000] * 20)
    quarantined = loads(*[1000] * 20, 1).tail(1).with_columns(status=pl.lit("quarantined"))
    newest = loads(*[1000] * 21, 1200).tail(1)

    after = compared(pl.concat([known, quarantined, newest]), 21)

    assert (after["bars"], after["usual"], after["verdict"]) == (1200, 1000, "implausible")
    assert compared(pl.concat([known, quarantined, newest]), 20)["bars"] == 1


def test_sessions_of_over_sixty_days_ago_say_nothing_of_what_is_usual() -> None:
    old = loads(*[1000] * 20)

    near = old.vstack(loads(*[1000] * 41).tail(1))  # 2024-02-29, 58 days after 2024-01-02
    far = old.vstack(loads(*[1000] * 43).tail(1))  # 2024-03-04, 62 days

    assert compared(near, 20)["usual"] == 1000
    assert compared(far, 20)["usual"] is None


def test_outliers_are_classified_by_how_far_they_are_off() -> None:
    for bars, verdict in ((1030, None), (1031, "unusual"), (900, "unusual"), (899, "implausible")):
        assert compared(loads(*[1000] * 20, bars), 20)["verdict"] == verdict


def test_the_band_is_that_of_the_warning() -> None:
    session = compared(loads(*[1000] * 21), 20)

    assert (session["low"], session["high"]) == (970, 1030)


def test_symbols_that_have_ended_are_distinguished_from_those_that_trade_to_the_end() -> None:
    lives = Lives(
        spans(
            (DAYS[0], DAYS[-1], 100),
            (DAYS[5], LATE, 10),  # seldom traded: there from the start, and not ended
            (DAYS[0], DAYS[-21], 7),  # ended
            (DAYS[20], DAYS[-1], 3),  # new
        ),
        DAYS,
    )

    trading = lives.trading()

    assert trading.row(0) == (DAYS[0], 110, 7)
    assert trading.row(20) == (DAYS[20], 113, 7)
    assert trading.row(-21) == (DAYS[-21], 113, 7)
    assert trading.row(-20) == (LATE, 113, 0)
    assert trading.row(-1) == (DAYS[-1], 113, 0)


def test_new_and_ended_symbols_are_counted_by_month() -> None:
    lives = Lives(
        spans(
            (DAYS[0], DAYS[-1], 100),
            (EARLY, LATE, 10),
            (date(2024, 2, 5), date(2024, 2, 20), 4),
            (date(2024, 3, 1), DAYS[-1], 3),
            (DAYS[0], date(2024, 1, 31), 2),
        ),
        DAYS,
    )

    assert lives.changes().rows() == [
        (date(2024, 1, 1), 0, 2),
        (date(2024, 2, 1), 4, 4),
        (date(2024, 3, 1), 3, 0),
    ]


def test_with_few_sessions_nothing_is_new_or_ended() -> None:
    lives = Lives(spans((DAYS[1], DAYS[1], 5)), DAYS[:3])

    assert lives.trading().rows() == [(day, 5, 0) for day in DAYS[:3]]
    assert lives.changes().rows() == [(date(2024, 1, 1), 0, 0)]


def test_a_long_range_has_as_many_points_as_can_be_seen_with_the_last_session_among_them() -> None:
    days = sessions_between(date(2003, 9, 10), date(2024, 3, 28))
    lives = Lives(spans((days[0], days[-1], 5)), days)

    trading = lives.trading()

    assert 300 < trading.height <= 400
    assert trading["date"][-1] == days[-1]


def test_half_years_put_every_session_into_its_week() -> None:
    days = sessions_between(date(2024, 6, 27), date(2024, 7, 8))
    frame = pl.DataFrame({"date": days}).with_columns(condition=pl.lit("missing"), stored=0)

    first, second = half_years(frame)

    assert [(half.year, half.is_second) for half in (first, second)] == [
        (2024, False),
        (2024, True),
    ]
    # 1 January and 1 July 2024 are Mondays; 4 July is a holiday.
    assert first.sessions.select("week", "weekday").rows() == [(25, 3), (25, 4)]
    assert second.sessions.select("week", "weekday").rows() == [
        (0, 0), (0, 1), (0, 2), (0, 4), (1, 0),
    ]  # fmt: skip
    assert first.months == {0: "Jan", 4: "Feb", 8: "Mar", 13: "Apr", 17: "May", 22: "Jun"}


def test_a_month_that_begins_on_a_weekend_is_named_over_its_first_session() -> None:
    days = sessions_between(date(2024, 9, 3), date(2024, 9, 3))
    frame = pl.DataFrame({"date": days}).with_columns(condition=pl.lit("missing"), stored=0)

    (half,) = half_years(frame)

    assert half.months[9] == "Sep"  # the week of Monday 2 September, not that of Sunday the 1st
    assert half.sessions["week"].to_list() == [9]
