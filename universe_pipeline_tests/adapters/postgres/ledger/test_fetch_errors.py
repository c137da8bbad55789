"""`data_fetch_errors`: what is written of a failure, and when it is history."""

from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.fetch_errors import (
    failures_of_run,
    open_failures,
    record_failure,
    resolve_list_failures,
)
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import (
    AccessError,
    FailureKind,
    PermanentError,
    RetryableError,
)
from universe_pipeline_tests.support.session_answers import JULY_1, JULY_2

LATE = RetryableError(FailureKind.TIMEOUT, "/v2/aggs/grouped", "too slow", attempts=6)
GONE = PermanentError(FailureKind.NOT_FOUND, "/v2/aggs/x", "no data", http_status=404)
KEY = AccessError(FailureKind.UNAUTHORIZED, "/v3/reference/tickers", "Unknown", http_status=401)


def test_a_failure_keeps_what_is_known_of_it(store: Connection):
    record_failure(store, LATE, Dataset.DAILY_BARS, day=JULY_1, run_id="run-1")
    record_failure(store, GONE, Dataset.SYMBOL_BARS, symbol="BCpC", day=JULY_2)
    record_failure(store, KEY, Dataset.SYMBOLS)

    rows = store.execute(
        "SELECT endpoint, symbol, date, kind, http_status, message, attempts, retryable, run_id,"
        " resolved_at FROM data_fetch_errors ORDER BY id"
    )
    assert rows.fetchall() == [
        (
            *("/v2/aggs/grouped", None, JULY_1, "timeout", None, "too slow", 6, True),
            *("run-1", None),
        ),
        ("/v2/aggs/x", "BCpC", JULY_2, "not_found", 404, "no data", 1, False, None, None),
        (
            *("/v3/reference/tickers", None, None, "unauthorized", 401, "Unknown", 1, False),
            *(None, None),
        ),
    ]


def test_what_the_vendor_says_can_be_stored_whatever_it_is(store: Connection):
    record_failure(
        store,
        RetryableError(FailureKind.NOT_JSON, "/a\0", "b\0\ud800"),
        Dataset.SYMBOL_BARS,
        symbol="\0",
    )

    (failure,) = open_failures(store)
    assert (failure.endpoint, failure.message, failure.symbol) == (
        *("/a\\u0000", "b\\u0000\\ud800", "\\u0000"),
    )


def test_open_failures_come_oldest_first(store: Connection):
    for day, error in ((JULY_2, LATE), (JULY_1, GONE)):
        record_failure(store, error, Dataset.DAILY_BARS, day=day)
    store.execute("UPDATE data_fetch_errors SET resolved_at = now() WHERE date = %s", (JULY_2,))
    record_failure(store, LATE, Dataset.DAILY_BARS, day=JULY_2)

    assert [(each.day, each.kind, each.retryable) for each in open_failures(store)] == [
        (JULY_1, "not_found", False),
        (JULY_2, "timeout", True),
    ]


def test_a_run_knows_its_own_open_failures(store: Connection):
    for run_id in ("one", "two", None, "one"):
        record_failure(store, LATE, Dataset.DAILY_BARS, day=JULY_1, run_id=run_id)
    store.execute(
        "UPDATE data_fetch_errors SET resolved_at = now()"
        " WHERE id = (SELECT min(id) FROM data_fetch_errors)"
    )

    assert [len(failures_of_run(store, run)) for run in ("one", "two", "three")] == [1, 1, 0]


def test_a_discovery_resolves_failures_of_the_reference_lists_alone(store: Connection):
    record_failure(store, KEY, Dataset.SYMBOLS)
    record_failure(store, LATE, Dataset.DAILY_BARS, day=JULY_1)
    record_failure(store, LATE, Dataset.SYMBOL_BARS, symbol="AAPL")

    resolve_list_failures(store, Dataset.SYMBOLS)

    assert [(each.day, each.symbol) for each in open_failures(store)] == [
        (JULY_1, None),
        (None, "AAPL"),
    ]


def test_every_kind_of_failure_can_be_written(store: Connection):
    for kind in FailureKind:
        record_failure(store, PermanentError(kind, "/v2", "text"), Dataset.SYMBOLS)

    assert [each.kind for each in open_failures(store)] == [
        *("timeout", "connection", "cut_body", "rate_limited", "server_error", "not_json"),
        *("malformed_json", "error_status", "unexpected_shape", "count_mismatch"),
        *("wrong_adjustment", "wrong_session", "empty", "collapsed", "paging", "too_large"),
        *("leaked_key", "unauthorized", "not_entitled", "outside_plan", "bad_request"),
        *("not_found", "not_the_vendor", "foreign_url"),
    ]
