"""Sessions from the vendor into the tables, for every kind of answer."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.polygon.retry import Patience
from universe_pipeline.adapters.postgres.bars.writing import Write
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.ledger.session_states import given_up
from universe_pipeline.domain.bars import BAR_SCHEMA, Bars
from universe_pipeline.domain.session_state import SessionStatus
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.loading.sessions import (
    Encoding,
    Outcome,
    encode_session,
    fetch_sessions,
)
from universe_pipeline.loading.sessions import store as store_answer
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    Row,
    load_of,
    revisions,
    stored,
    versions,
)
from universe_pipeline_tests.support.simulated_answers import grouped

DAYS = (JULY_1, JULY_2, JULY_3)


def load(
    client: PolygonClient,
    connection: Connection,
    days: Sequence[date] = DAYS,
    encoding: Encoding | None = None,
) -> dict[date, Outcome]:
    fetched = fetch_sessions(client, days, encoding or Encoding(), machine)
    outcomes = [store_answer(connection, each, "run") for each in fetched]
    return {outcome.session: outcome for outcome in outcomes}


def errors(connection: Connection) -> list[Row]:
    """Date, symbol, kind, HTTP status, attempts, retryable, run, and whether it is open."""
    return connection.execute(
        "SELECT date, symbol, kind, http_status, attempts, retryable, run_id, resolved_at IS NULL"
        " FROM data_fetch_errors ORDER BY id"
    ).fetchall()


def test_sessions_are_loaded_row_for_row_and_value_for_value(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    outcomes = load(client, store)

    assert [(day, outcome.state) for day, outcome in outcomes.items()] == [
        *((JULY_1, "loaded"), (JULY_2, "loaded"), (JULY_3, "loaded")),
    ]
    for day in DAYS:
        expected = [(*row, "grouped") for row in grouped(vendor, day.isoformat())]
        assert len(expected) > 100
        assert stored(store, day) == expected
        assert outcomes[day].write == Write(
            stored=len(expected), added=len(expected), status=SessionStatus.LOADED
        )
    assert errors(store) == []


def test_a_session_is_asked_for_once(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    load(client, store)

    assert sorted(request.path.rpartition("/")[2] for request in vendor.requests) == [
        *("2024-07-01", "2024-07-02", "2024-07-03"),
    ]


def test_a_second_fetch_of_the_same_writes_no_bar(client: PolygonClient, store: Connection):
    load(client, store)
    before = versions(store)

    outcomes = load(client, store)

    assert versions(store) == before
    assert all(each.write and each.write.revised == 0 for each in outcomes.values())


@pytest.mark.parametrize("connections", [1])
@pytest.mark.parametrize("batch_rows", [1, 7, 100_000])
def test_neither_batches_nor_their_number_in_flight_change_what_is_stored(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, batch_rows: int
):
    load(client, store, [JULY_1])
    whole = load_of(store, JULY_1, "content_hash")

    load(client, store, DAYS, Encoding(batch_rows=batch_rows))

    assert load_of(store, JULY_1, "content_hash") == whole
    for day in DAYS:
        assert [row[:-1] for row in stored(store, day)] == grouped(vendor, day.isoformat())


def test_answers_are_taken_in_order_however_slow_one_is(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("delay", session=JULY_1, seconds=0.3)

    assert list(load(client, store)) == [JULY_1, JULY_2, JULY_3]


def test_rows_that_are_no_bars_are_set_aside_and_the_rest_loads(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    sound = len(grouped(vendor, "2024-07-01"))
    vendor.faults.add("bad_rows")

    outcome = load(client, store, [JULY_1])[JULY_1]

    assert outcome.write == Write(
        stored=sound, rejected=7, added=sound, status=SessionStatus.LOADED
    )
    columns = ("received", "stored", "rejected")
    assert load_of(store, JULY_1, *columns) == (sound + 7, sound, 7)
    rejected = store.execute(
        "SELECT rule, symbol FROM rejected_bars WHERE rule <> 'duplicate' ORDER BY symbol"
    )
    assert rejected.fetchall() == [
        ("ohlc_order", "SIMHIGH"),
        ("price_positive", "SIMNULL"),
        ("undecodable", "SIMTEXT"),
        ("volume_finite", "SIMVOL"),
        ("price_positive", "SIMZERO"),
        ("symbol_form", "SIM\\u0000NUL"),
    ]


@pytest.mark.parametrize(
    ("fault", "kind", "http_status", "attempts", "retryable"),
    [
        ("empty", "empty", None, 1, True),
        ("results_null", "unexpected_shape", 200, 2, True),
        ("wrong_session", "wrong_session", 200, 2, True),
        ("adjusted_true", "wrong_adjustment", 200, 2, True),
        ("count_mismatch", "count_mismatch", 200, 2, True),
        ("400", "bad_request", 400, 1, False),
        ("403_timeframe", "outside_plan", 403, 1, False),
        ("404", "not_found", 404, 1, False),
        ("429", "rate_limited", 429, 1, True),
        ("500", "server_error", 500, 2, True),
        ("502", "server_error", 502, 2, True),
        ("503", "server_error", 503, 2, True),
        ("504", "server_error", 504, 2, True),
        ("redirect", "foreign_url", 302, 1, False),
        ("html_200", "not_json", 200, 2, True),
        ("error_status_200", "error_status", 200, 2, True),
        ("malformed_json", "malformed_json", 200, 2, True),
        ("deep_json", "malformed_json", 200, 2, True),
        ("reset", "connection", None, 2, True),
        ("cut_body", "cut_body", None, 2, True),
        ("gzip_garbage", "cut_body", None, 2, True),
    ],
)
def test_a_session_that_fails_is_reported_leaves_the_others_alone_and_loads_later(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    fault: Any,
    kind: str,
    http_status: int | None,
    attempts: int,
    retryable: bool,
):
    vendor.faults.add(fault, session=JULY_2)

    outcomes = load(client, store)
    failed = (JULY_2, None, kind, http_status, attempts, retryable, "run")
    recorded = errors(store)
    state = load_of(store, JULY_2, "status", "stored", "covered")
    vendor.faults.clear()
    later = load(client, store, [JULY_2])

    assert [outcome.state for outcome in outcomes.values()] == ["loaded", "failed", "loaded"]
    assert not outcomes[JULY_2].committed
    assert recorded == [(*failed, True)]
    assert state == ("failed", 0, True)
    assert later[JULY_2].state == "loaded"
    assert errors(store) == [(*failed, False)]


@pytest.mark.parametrize("fault", ["500", "reset", "malformed_json", "cut_body"])
def test_a_fault_that_passes_is_no_failure(
    store: Connection, vendor: SimulatedVendor, client: PolygonClient, fault: Any
):
    vendor.faults.add(fault, session=JULY_2, times=1)

    outcomes = load(client, store)

    assert [outcome.state for outcome in outcomes.values()] == ["loaded"] * 3
    assert errors(store) == []


def test_a_session_that_is_not_published_is_pending_and_no_failure(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_before_end_of_day", session=JULY_2)

    outcomes = load(client, store)

    assert [outcome.state for outcome in outcomes.values()] == ["loaded", "pending", "loaded"]
    assert (outcomes[JULY_2].committed, outcomes[JULY_2].error) == (False, None)
    assert load_of(store, JULY_2, "status", "stored") == ("pending", 0)
    assert errors(store) == []


@pytest.mark.parametrize("connections", [2])
@pytest.mark.parametrize(
    ("fault", "kind", "http_status"),
    [
        ("401_no_key", "unauthorized", 401),
        ("401_unknown_key", "unauthorized", 401),
        ("403_not_entitled", "not_entitled", 403),
    ],
)
def test_what_the_key_forbids_stops_the_rest(
    client: PolygonClient,
    store: Connection,
    vendor: SimulatedVendor,
    fault: Any,
    kind: str,
    http_status: int,
):
    vendor.faults.add(fault, session=JULY_2)
    many = (*DAYS, *(date(2024, 7, day) for day in (5, 8, 9, 10, 11, 12, 15, 16, 17, 18, 19)))

    outcomes = load(client, store, many)

    assert [outcome.state for outcome in outcomes.values()] == ["loaded", "failed"]
    assert errors(store) == [(JULY_2, None, kind, http_status, 1, False, "run", True)]
    assert vendor.count("grouped") <= 6  # the two, and what began until the refusal was read


def test_a_firewalls_page_stops_no_job(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_firewall", session=JULY_2)

    outcomes = load(client, store, DAYS)

    states = [outcome.state for outcome in outcomes.values()]
    assert states == ["failed" if day == JULY_2 else "loaded" for day in DAYS]
    assert errors(store) == [(JULY_2, None, "not_the_vendor", 403, 2, True, "run", True)]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("500", "server_error"),
        ("404", "not_found"),
        ("empty", "empty"),
        ("collapsed", "collapsed"),
        ("401_unknown_key", "unauthorized"),
    ],
)
def test_a_re_fetch_that_fails_changes_nothing_but_is_recorded(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, fault: Any, kind: str
):
    load(client, store, [JULY_1])
    before = versions(store), versions(store, "session_loads")
    vendor.faults.add(fault)

    outcome = load(client, store, [JULY_1])[JULY_1]

    assert (versions(store), versions(store, "session_loads")) == before
    assert outcome.state == "loaded"
    assert outcome.error is not None
    assert [(row[2], row[-1]) for row in errors(store)] == [(kind, True)]


def test_a_re_fetch_of_what_is_not_published_any_more_changes_nothing(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    load(client, store, [JULY_1])
    before = versions(store), versions(store, "session_loads")
    vendor.faults.add("403_before_end_of_day")

    outcome = load(client, store, [JULY_1])[JULY_1]

    assert (versions(store), versions(store, "session_loads")) == before
    assert (outcome.state, outcome.error) == ("loaded", None)


def test_a_re_fetch_writes_what_the_vendor_corrected(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    load(client, store, [JULY_1])
    (old,) = [row for row in stored(store, JULY_1) if row[0] == "AAPL"]
    vendor.faults.add("changed", tickers=["AAPL"], factor=2.0)
    vendor.faults.add("missing", tickers=["MSFT"])

    outcome = load(client, store, [JULY_1])[JULY_1]

    assert outcome.write is not None
    assert (outcome.write.revised, outcome.write.added) == (2, 0)
    assert revisions(store, "symbol", "source", "run_id") == [
        ("AAPL", "grouped", "run"),
        ("MSFT", "grouped", "run"),
    ]
    assert revisions(store, "volume")[0] == (old[5],)
    now = {row[0]: row for row in stored(store, JULY_1)}
    assert now["AAPL"][5] == old[5] * 2
    assert "MSFT" not in now


def test_an_answer_without_one_usable_row_is_no_loaded_session(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    t = 1719864000000  # 2024-07-01 16:00 in New York
    vendor.faults.add("empty")
    vendor.faults.add(
        "bad_rows", rows=[{"T": "A B", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1, "t": t}]
    )

    outcome = load(client, store, [JULY_1])[JULY_1]

    assert outcome.state == "failed"


@pytest.mark.parametrize(
    ("session", "revisit", "final_by_age"),
    [
        (date(2024, 7, 9), 3, False),
        (date(2024, 7, 3), 3, False),  # followed by three closed sessions
        (date(2024, 7, 2), 3, True),  # followed by four
        (date(2003, 9, 10), 3, True),
        (date(2024, 7, 9), 0, False),
        (date(2024, 7, 8), 0, True),
    ],
)
def test_a_session_is_final_by_age_after_more_sessions_than_are_revisited(
    session: date, revisit: int, final_by_age: bool
):
    noon = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)  # 2024-07-09 is the newest closed session

    encoded, _ = encode_session(
        Bars(BAR_SCHEMA.to_frame()), session, noon, Encoding(revisit=revisit)
    )

    assert encoded.final_by_age is final_by_age


def test_a_sample_shows_the_largest_turnover(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    rows = grouped(vendor, "2024-07-01")
    largest = sorted(rows, key=lambda row: row[4] * row[5], reverse=True)[:5]

    outcome = load(client, store, [JULY_1])[JULY_1]

    assert outcome.sample is not None
    assert outcome.sample.rows() == largest


LONG = sessions_between(date(2024, 5, 1), date(2024, 7, 3))


@pytest.mark.parametrize("outside", [1, 2, 17, 42, 43])
def test_the_earliest_session_of_the_plan_is_found_in_few_requests_and_the_rest_loads(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, outside: int
):
    for day in LONG[:outside]:
        vendor.faults.add("403_timeframe", endpoint="grouped", session=day)

    outcomes = load(client, store, LONG)

    assert len(LONG) == 44
    loaded = [day for day, outcome in sorted(outcomes.items()) if outcome.state == "loaded"]
    assert loaded == list(LONG[outside:])
    assert vendor.count("grouped") <= len(loaded) + 7
    assert {row[2] for row in errors(store)} == {"outside_plan"}
    assert given_up(store, LONG) == set(LONG[:outside])


def test_a_plan_that_reaches_none_of_them_is_known_after_few_requests(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_timeframe")

    load(client, store, LONG)

    assert vendor.count("grouped") <= 7
    assert given_up(store, LONG) == set(LONG)


def test_a_key_that_is_refused_in_the_search_ends_it(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("403_timeframe", times=2)
    vendor.faults.add("401_unknown_key")

    load(client, store, LONG)

    assert [row[2] for row in errors(store)] == ["outside_plan", "outside_plan", "unauthorized"]


AWAY = 0.3
QUARTER = sessions_between(date(2024, 7, 1), date(2024, 9, 30))


def in_flight(vendor: SimulatedVendor) -> int:
    """Most requests that the vendor, who lets each wait so long, had at the same time."""
    came = [request.at for request in vendor.requests]
    return max(sum(at <= other < at + AWAY for other in came) for at in came)


@pytest.mark.parametrize("connections", [40])
def test_a_distant_vendor_is_asked_for_as_many_as_are_written_in_a_round_trip(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("delay", seconds=AWAY)

    outcomes = load(client, store, QUARTER[:60])

    assert {outcome.state for outcome in outcomes.values()} == {"loaded"}
    assert vendor.count("grouped") == 60
    assert 12 < in_flight(vendor) <= 40


@pytest.mark.parametrize("connections", [3])
def test_no_more_are_asked_for_than_the_settings_allow(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("delay", seconds=AWAY)

    load(client, store, QUARTER[:20])

    assert in_flight(vendor) <= 3


@pytest.mark.parametrize("fault", ["500", "429", "reset", "cut_body"])
def test_a_vendor_in_trouble_is_asked_less_and_nothing_is_lost(
    store: Connection, vendor: SimulatedVendor, fault: Any
):
    vendor.faults.add("delay", seconds=AWAY)
    vendor.faults.add(fault, after=10, times=8)
    patience = Patience(
        first_wait=0.01, longest_wait=0.01, rate_limited_wait=0.01, shortest_rate_limited_wait=0.01
    )

    with PolygonClient(vendor.base_url, "key-of-tests", patience=patience) as client:
        states, limits = set[str](), list[int]()
        for fetched in fetch_sessions(client, QUARTER[:40], Encoding(), machine):
            states.add(store_answer(store, fetched, "run").state)
            limits.append(client.traffic.limit)

    assert states == {"loaded"}
    assert limits[0] == 50
    assert min(limits) < 50
    assert vendor.count("grouped") == 48


@pytest.mark.parametrize("fault", ["malformed_json", "gzip_garbage", "wrong_session"])
def test_an_answer_that_proves_unusable_at_its_turn_is_asked_for_again(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor, fault: Any
):
    vendor.faults.add(fault, session=QUARTER[7], times=1)

    outcomes = load(client, store, QUARTER[:12])

    assert list(outcomes) == list(QUARTER[:12])
    assert {outcome.state for outcome in outcomes.values()} == {"loaded"}
    asked = Counter(request.path.rpartition("/")[2] for request in vendor.requests)
    assert asked.pop(QUARTER[7].isoformat()) == 2
    assert set(asked.values()) == {1}
