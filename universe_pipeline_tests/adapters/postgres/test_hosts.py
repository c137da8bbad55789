"""How each host asked last, and in what hosts differ."""

from datetime import UTC, datetime

from universe_pipeline.adapters.postgres import hosts
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.hosts import Host, differences

AT = datetime(2024, 7, 10, 16, 0, tzinfo=UTC)


def host(name: str, limit: int = 5, release: str = "1.0") -> Host:
    return Host(name, limit, release, AT)


def test_a_host_has_one_row_of_what_it_used_last_and_old_rows_go(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO hosts SELECT 'pod-1', 5, '1.0', clock_timestamp() - interval '4 days'"
    )
    hosts.record(connection, 5)
    hosts.record(connection, 0)

    (own,) = hosts.hosts(connection)

    assert own.requests_per_minute == 0
    assert connection.execute("SELECT count(*) FROM hosts").fetchone() == (1,)


def test_hosts_that_are_alike_differ_in_nothing() -> None:
    assert differences([]) == []
    assert differences([host("a"), host("b")]) == []


def test_each_difference_is_a_line_that_names_some_hosts_of_each_value() -> None:
    known = [*(host(f"pod-{number}") for number in range(5)), host("old", 0, "0.9")]

    limits, releases = differences(known)

    assert limits == (
        "hosts ask at different limits: 5 a minute on pod-0, pod-1, pod-2, 2 more; unpaced on old. "
        "Set POLYGON_RATE_LIMIT alike on all"
    )
    assert releases == (
        "hosts run different releases: release 0.9 on old; release 1.0 on pod-0, pod-1, pod-2, "
        "2 more. Install the same on all"
    )
