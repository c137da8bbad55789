"""Deliberate errors: what a person reads, and the two kinds of a vendor's failure."""

from universe_pipeline.domain.errors import (
    AccessError,
    CollapsedError,
    FailureKind,
    PermanentError,
    RetryableError,
    SettingsError,
    WrongVendorError,
)


def test_a_vendors_failure_names_the_request_the_reason_and_the_kind():
    error = RetryableError(FailureKind.SERVER_ERROR, "/v2/aggs", "it failed", http_status=502)

    assert str(error) == "/v2/aggs: it failed (server_error, HTTP 502)"


def test_a_failure_without_an_http_status_names_none():
    assert str(RetryableError(FailureKind.TIMEOUT, "/v2", "too slow")) == "/v2: too slow (timeout)"


def test_whether_asking_again_helps_is_shown_by_the_type():
    kinds = (RetryableError, CollapsedError, PermanentError, AccessError)

    assert [kind.retryable for kind in kinds] == [True, True, False, False]


def test_wrong_settings_are_reported_all_at_once():
    assert str(SettingsError(["A: one", "B: two"])) == "A: one\nB: two"


def test_a_wrong_vendor_is_reported_with_what_to_do():
    text = str(WrongVendorError("api.massive.com", "loopback"))

    assert text == (
        "this database was filled from api.massive.com, but POLYGON_BASE_URL names loopback: use "
        "another database, or set UNIVERSE_ACCEPT_VENDOR=1 if both are the same data"
    )
