"""The rows of the report's tables: grouped, in order, and with a command that can be copied."""

from datetime import UTC, date, datetime

import polars as pl

from universe_pipeline.adapters.postgres.ledger.fetch_errors import OpenFailure
from universe_pipeline.adapters.postgres.quality.rule_results import RecordedResult, Result
from universe_pipeline.adapters.postgres.summaries.overview import Broken
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.reporting import tables

JULY_1, JULY_2, JULY_3, JULY_5, JULY_8 = (date(2024, 7, day) for day in (1, 2, 3, 5, 8))
NOON = datetime(2024, 7, 10, 16, tzinfo=UTC)


def sessions(**conditions: tuple[str, str | None]) -> pl.DataFrame:
    rows = [(date(2024, 7, int(day[1:])), *given) for day, given in conditions.items()]
    schema = {"date": pl.Date, "condition": pl.String, "status": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def judged(
    rule: str, *examples: tuple[str | None, str | None, str], hour: int = 0,
    occasion: str = "load", severity: str = "WARN", offenders: int | None = None,
) -> RecordedResult:  # fmt: skip
    found = [{"date": day, "symbol": symbol, "detail": detail} for day, symbol, detail in examples]
    count = len(examples) if offenders is None else offenders
    at = NOON.replace(hour=hour)
    return RecordedResult(f"run-{hour}", at, occasion, Result(rule, severity, count, found))


def failure(subject: date | str | None, kind: str, hour: int, attempts: int = 6) -> OpenFailure:
    symbol, day = (subject, None) if isinstance(subject, str) else (None, subject)
    at = NOON.replace(hour=hour)
    said = f"said at {hour}"
    return OpenFailure(at, "/v3/x", symbol, day, kind, None, said, attempts, True, "symbols")


def test_sessions_that_lack_in_the_same_way_are_one_row_with_the_command_for_all() -> None:
    found = tables.troubles(
        sessions(
            d1=("missing", None), d2=("missing", None), d3=("missing", "failed"),
            d5=("available", "loaded"), d8=("missing", None), d9=("pending", "pending"),
        ),
        [],
    )  # fmt: skip

    assert [(one.first.day, one.last.day, one.sessions, one.commands) for one in found] == [
        (9, 9, 1, ("universe resume",)),
        (8, 8, 1, ("universe historical --start 2024-07-08 --end 2024-07-08",)),
        (3, 3, 1, ("universe retry",)),
        (1, 2, 2, ("universe historical --start 2024-07-01 --end 2024-07-02",)),
    ]


def test_a_session_that_breaks_rules_says_which_and_what_repairs_it() -> None:
    broken = [
        Broken(JULY_1, "session_has_a_plausible_row_count", "ERROR", "5 bars, usually 10"),
        Broken(JULY_1, "session_has_every_exchange", "WARN", "XNYS has 1 bars, usually 5"),
    ]

    (found,) = tables.troubles(sessions(d1=("quarantined", "quarantined")), broken)

    assert found.why == (
        ("session_has_a_plausible_row_count", "5 bars, usually 10"),
        ("session_has_every_exchange", "XNYS has 1 bars, usually 5"),
    )
    assert found.commands == (
        "universe historical --start 2024-07-01 --end 2024-07-01 --reload",
        "universe approve 2024-07-01 --reason TEXT",
    )


def test_offenders_are_those_of_the_last_verification_and_of_the_loads_since() -> None:
    rule = "series_have_no_gaps"
    found = tables.offenders(
        [
            judged(rule, ("2024-07-01", "OLD", "repaired"), hour=1, occasion="verification"),
            judged(rule, ("2024-07-01", "A", "x"), hour=2, occasion="verification", offenders=70),
            judged(rule, ("2024-07-02", "B", "y"), ("2024-07-01", "A", "again"), hour=3),
            judged(rule, hour=4),
        ],
        JULY_1,
        JULY_8,
    )

    (only,) = found
    assert [(one.symbol, one.detail) for one in only.worst] == [("B", "y"), ("A", "again")]
    assert (only.count, only.occasion, only.judged_at.hour) == (2, "load", 3)


def test_errors_come_before_warnings_and_other_days_are_left_out() -> None:
    found = tables.offenders(
        [
            judged("symbol_form", ("2024-06-28", "A", "")),
            judged("vwap_is_near_the_range", ("2024-07-01", "A", "")),
            judged("ohlc_order", ("2024-07-01", "A", ""), severity="ERROR"),
            judged("symbols_are_unique", (None, "A", "twice"), severity="ERROR"),
        ],
        JULY_1,
        JULY_8,
    )

    assert [one.rule.name for one in found] == [
        "ohlc_order",
        "symbols_are_unique",
        "vwap_is_near_the_range",
    ]


def test_a_symbol_in_a_command_is_one_word_whatever_the_vendor_calls_it() -> None:
    offender = ("2024-07-01", "$(touch x) or 'y", "")

    (found,) = tables.offenders([judged("ohlc_order", offender)], JULY_1, JULY_8)

    (command,) = found.worst[0].commands
    symbol = r"""'$(touch\U00000020x)\U00000020or\U00000020'"'"'y'"""
    assert command == (f"universe repair --symbols={symbol} --start 2024-07-01 --end 2024-07-01")


def test_open_errors_are_counted_by_what_was_asked_for() -> None:
    found = tables.open_errors(
        [
            failure(JULY_1, "timeout", 1),
            failure("AAPL", "not_found", 2, attempts=1),
            failure(JULY_1, "timeout", 3),
            failure(JULY_1, "unauthorized", 4, attempts=1),
        ]
    )

    assert [(one.subject, one.kind, one.since.hour, one.tries, one.message) for one in found] == [
        ("2024-07-01", "timeout", 1, 12, "said at 3"),
        ("AAPL", "not_found", 2, 1, "said at 2"),
        ("2024-07-01", "unauthorized", 4, 1, "said at 4"),
    ]
    assert [one.key_is_refused for one in found] == [False, False, True]


def test_rules_that_were_never_broken_are_left_out_of_the_picture() -> None:
    given = [
        judged("series_have_no_gaps", hour=1),
        judged("ohlc_order", ("2024-07-01", "A", ""), hour=1, severity="ERROR"),
        judged("series_have_no_gaps", ("2024-07-01", "A", ""), hour=2, offenders=9),
        judged("closes_do_not_stand_still", hour=2),
    ]

    warnings = tables.results(given, Severity.WARN)

    assert warnings.select("rule", "offenders").rows() == [
        ("series_have_no_gaps", 0),
        ("series_have_no_gaps", 9),
    ]
    assert tables.results(given, Severity.ERROR)["offenders"].to_list() == [1]
    assert len(tables.columns(given)) == 2
