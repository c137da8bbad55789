"""The page: one document, for any names of symbols and any stored data."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.ledger.fetch_errors import record_failure
from universe_pipeline.adapters.postgres.ledger.session_loads import record_unstored
from universe_pipeline.adapters.postgres.quality import rule_results
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import FailureKind, RangeError, RetryableError
from universe_pipeline.domain.quality.findings import Violation, listed
from universe_pipeline.domain.quality.rules import NO_REPEAT, OHLC_ORDER, ROW_COUNT_USUAL, VWAP_NEAR
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.reporting.reading import Wanted
from universe_pipeline.reporting.report import Report, make_report
from universe_pipeline_tests.support.html_parts import Parts
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    JULY_8,
    JULY_9,
    T1,
    answered,
    bar,
    write_session,
)

NOW = datetime(2024, 7, 10, 16, 5, tzinfo=UTC)
HOSTILE = "<img src=//x.y/z onerror=alert(1)>'\"&amp;</td></table>"


def wanted(start: date | None = None, end: date | None = None) -> Wanted:
    return Wanted(NOW, start, end, ["CS"], Thresholds())


def links(html: str) -> Iterator[str]:
    """Every attribute that could make a browser request something."""
    for tag, attributes in Parts(html).elements:
        for name, value in attributes.items():
            if name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
                yield f"{tag} {value}"
    yield from re.findall(r"@import|url\([^)]*\)", html)


@pytest.fixture
def made(store: Connection) -> Report:
    """Sessions of every condition, and texts of the vendor that are hostile."""
    for day in (JULY_1, JULY_2, JULY_3):
        write_session(store, answered(day, bar(), bar("B")), None)
    record_unstored(store, JULY_5, SessionStatus.FAILED, T1, None)
    record_unstored(store, JULY_9, SessionStatus.PENDING, T1, None)
    cover(store)
    store.execute(
        "INSERT INTO symbols (symbol, name, type, active, first_seen_at, last_seen_at)"
        " SELECT symbol, 'x', 'CS', true, now(), now() FROM data_coverage"
    )
    findings = [
        listed(OHLC_ORDER, [Violation(JULY_2, HOSTILE, HOSTILE)]),
        listed(VWAP_NEAR, [Violation(JULY_3, "AAPL", "vwap 9.8")]),
    ]
    rule_results.record_results(store, "verification", findings, (JULY_1, JULY_9), "run-1")
    rule_results.record_verdicts(
        store,
        [JULY_1, JULY_2],
        [
            listed(NO_REPEAT, [Violation(JULY_2, None, "all bars repeat")]),
            listed(ROW_COUNT_USUAL, [Violation(JULY_1, None, "2 bars")]),
        ],
        "run-1",
        datetime.now(UTC),
    )
    error = RetryableError(FailureKind.NOT_JSON, "/v2/x", HOSTILE, attempts=6)
    record_failure(store, error, Dataset.DAILY_BARS, day=JULY_5)
    return make_report(store, wanted())


def test_it_counts_the_sessions_by_the_four_words(made: Report) -> None:
    assert made.sessions == 6
    assert made.conditions == {
        "degraded": 1,
        "quarantined": 1,
        "available": 1,
        "missing": 2,
        "pending": 1,
    }
    text = Parts(made.html).text
    assert "6 sessions from 2024-07-01 to 2024-07-09" in text
    assert "Available 1 of 6 sessions" in text
    assert "Degraded 2 1 of them quarantined" in text
    assert "Pending 1 not published yet Missing 2 not loaded" in text
    assert "Made 2024-07-10 12:05 in New York, 2024-07-10 16:05 UTC" in text


def test_it_is_a_document_that_says_its_language_and_suits_a_phone(made: Report) -> None:
    parts = Parts(made.html)

    assert made.html.startswith("<!doctype html>")
    assert ("html", {"lang": "en"}) in parts.elements
    viewport = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    assert ("meta", viewport) in parts.elements
    assert "<title>Universe report, 2024-07-01 to 2024-07-09</title>" in made.html
    assert "@media (prefers-color-scheme: dark)" in made.html
    assert [parts.count(tag) for tag in ("h1", "h2", "table")] == [1, 6, 3]
    assert parts.count("figure") == parts.count("figcaption") == 6


def test_it_asks_for_nothing_and_runs_nothing(made: Report) -> None:
    anchors = ["sessions", "bars", "symbols", "rules", "offenders", "errors"]

    assert list(links(made.html)) == [f"a #{name}" for name in anchors]
    parts = Parts(made.html)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert f'http-equiv="Content-Security-Policy" content="{policy}"' in made.html
    assert {"script", "img", "iframe", "link", "object"}.isdisjoint(
        tag for tag, _ in parts.elements
    )
    assert not [name for _, attributes in parts.elements for name in attributes if name[:2] == "on"]


def test_texts_of_the_vendor_are_shown_as_they_are(made: Report) -> None:
    rows = Parts(made.html).rows

    (offender,) = [
        row for row in rows if row[0] == "2024-07-02" and len(row) == 4 and row[1][:4] == "<img"
    ]
    assert offender[1:3] == [HOSTILE, HOSTILE]
    (failed,) = [row for row in rows if row[0] == "2024-07-05" and "not_json" in row]
    assert failed[1:5] == ["not_json", failed[2], "6", HOSTILE]


def test_every_session_that_is_not_available_is_a_row_with_its_command(made: Report) -> None:
    reload = "universe historical --start 2024-07-02 --end 2024-07-02 --reload"

    rows = [row for row in Parts(made.html).rows if row[1:2] and row[1] in made.conditions]

    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("2024-07-09", "pending", "universe resume"),
        ("2024-07-08", "missing", "universe historical --start 2024-07-08 --end 2024-07-08"),
        ("2024-07-05", "missing", "universe retry"),
        (
            "2024-07-02",
            "quarantined",
            f"{reload} or universe approve 2024-07-02 --reason TEXT",
        ),
        (
            "2024-07-01",
            "degraded",
            "universe historical --start 2024-07-01 --end 2024-07-01 --reload",
        ),
    ]
    assert rows[3][2] == "session_differs_from_the_one_before: all bars repeat"


def test_every_session_is_a_square_that_says_what_it_is(made: Report) -> None:
    said = re.findall(r"<title>(2024-07-\d\d \w+[^<]*)</title>", made.html)

    assert set(said) == {
        "2024-07-01 degraded, 2 bars",
        "2024-07-02 quarantined, 2 bars",
        "2024-07-03 available, 2 bars",
        "2024-07-05 missing",
        "2024-07-08 missing",
        "2024-07-09 pending",
    }


def test_a_range_leaves_out_what_is_before_and_after_it(store: Connection, made: Report) -> None:
    bounded = make_report(store, wanted(JULY_3, JULY_8))

    assert bounded.sessions == 3
    parts = Parts(bounded.html)
    assert [row[2] for row in parts.rows if row[1:2] in (["AAPL"], [HOSTILE])] == ["vwap 9.8"]
    assert "1 closed session after that, up to 2024-07-09, is not in this report" in parts.text


def test_a_range_without_a_session_is_refused(store: Connection, made: Report) -> None:
    with pytest.raises(RangeError):
        make_report(store, wanted(date(2024, 7, 6), date(2024, 7, 7)))


def test_an_empty_database_names_what_to_run(store: Connection) -> None:
    empty = make_report(store, wanted())

    assert (empty.sessions, empty.conditions, empty.pictures) == (0, {}, {})
    text = Parts(empty.html).text
    assert "Nothing is loaded yet" in text
    assert "universe historical --start 2026-09-01 universe report" in text
    assert list(links(empty.html)) == []


def test_sessions_that_were_asked_for_in_vain_are_a_report_too(store: Connection) -> None:
    record_unstored(store, JULY_5, SessionStatus.FAILED, T1, None)

    failed = make_report(store, wanted())

    assert failed.conditions == {"missing": 1}
    text = Parts(failed.html).text
    assert "No symbol of type CS has bars." in text
    assert "Nothing was judged yet: universe verify" in text


def test_bars_of_symbols_alone_are_a_report_too(store: Connection) -> None:
    write_session(store, answered(JULY_1, bar()), None)
    cover(store)
    store.execute("DELETE FROM session_loads")
    store.execute("UPDATE data_coverage SET last_date = %s", (JULY_9,))

    by_symbol = make_report(store, wanted())

    assert by_symbol.conditions == {"missing": 6}


def test_the_pictures_are_small_enough_for_the_event_log(made: Report) -> None:
    assert set(made.pictures) == {"calendar", "bars", "symbols"}
    for name, markdown in made.pictures.items():
        assert 500 < len(markdown) < 200_000, name
