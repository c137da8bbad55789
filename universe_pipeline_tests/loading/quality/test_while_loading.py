"""What is judged while a load goes on is what reading it back finds."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.bars import packed
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.coverage import streaks
from universe_pipeline.adapters.postgres.coverage.cover import cover
from universe_pipeline.adapters.postgres.quality.context import stored_loads
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.rules import RULES, Level
from universe_pipeline.domain.quality.scan import Scan
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.decoding import DecodingWorker
from universe_pipeline.loading.quality.stored import judge_bars
from universe_pipeline.loading.quality.while_loading import Judged, StreamingJudge
from universe_pipeline.loading.sessions import Encoding, fetch_sessions
from universe_pipeline.loading.sessions import store as store_answer
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.session_answers import (
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)

DAYS = sessions_between(date(2024, 5, 1), date(2024, 6, 14))
"""31 of them, of which the first ones are stored before in some tests."""


def judged(client: PolygonClient, connection: Connection, days: Sequence[date] = DAYS) -> Judged:
    """What is found of some sessions that are loaded, most of them one after the other."""
    worker = DecodingWorker()
    judge = StreamingJudge(connection, worker, sorted(days), Thresholds())
    for fetched in fetch_sessions(client, days, Encoding(), machine, worker):
        judge.take(connection, fetched, store_answer(connection, fetched, "run"))
    return judge.judged()


def by_rule(findings: Sequence[Finding] | None) -> dict[str, tuple[int, list[str]]]:
    assert findings is not None
    return {
        each.rule.name: (each.count, sorted(str(one) for one in each.worst)) for each in findings
    }


def read_back(connection: Connection, days: Sequence[date] = DAYS) -> dict[str, Any]:
    return by_rule(judge_bars(connection, days, Thresholds(), fingerprints=False))


def test_the_findings_are_those_of_reading_the_bars_back(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("bad_rows", endpoint="grouped", session="2024-05-28")
    vendor.faults.add("404", endpoint="grouped", session="2024-06-03")
    repaired = answered_symbol("ZZZZ", [DAYS[9]], {DAYS[9]: bar("ZZZZ", low=0.001)})
    write_symbol(store, repaired, None)

    found = by_rule(judged(client, store).findings(store, DAYS))

    assert found == read_back(store)
    assert any(one.startswith(f"{DAYS[9]} ZZZZ") for one in found["prices_are_of_a_usual_size"][1])
    assert found["symbols_trade_in_every_session"][0] > 0


def test_sessions_are_judged_with_the_ones_that_were_stored_before(
    client: PolygonClient, store: Connection
):
    judged(client, store, DAYS[:24])

    later = by_rule(judged(client, store, DAYS[24:]).findings(store, DAYS[24:]))

    assert later == read_back(store, DAYS[24:])


OF_GAPS = ("series_have_no_gaps", "symbols_trade_in_every_session")

HOLES = {DAYS[8], *DAYS[14:17], DAYS[25]}
"""Sessions that no answer comes for."""


def test_the_findings_are_those_of_reading_back_where_sessions_failed(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    """Of some symbols the bars of these sessions were asked for by symbol, before and meanwhile."""
    for day in HOLES:
        vendor.faults.add("404", endpoint="grouped", session=day)
    ends = {DAYS[8]: bar("AAPL", close=0.11, open=0.11, high=0.11, low=0.11), DAYS[25]: bar("AAPL")}
    write_symbol(store, answered_symbol("AAPL", sorted(HOLES), ends), None)
    write_symbol(store, answered_symbol("MSFT", [DAYS[8]], {}), None)

    found = by_rule(judged(client, store).findings(store, DAYS))

    assert found == read_back(store)
    assert f"{DAYS[8]} AAPL" in " ".join(found["moves_do_not_revert_at_once"][1])
    gaps = [one.partition(":")[0] for one in found["series_have_no_gaps"][1]]
    assert f"{DAYS[8]} MSFT" in gaps
    assert f"{DAYS[14]} AAPL" in gaps
    assert [one for one in gaps if date.fromisoformat(one[:10]) in HOLES] == [
        f"{DAYS[8]} MSFT",
        f"{DAYS[14]} AAPL",
    ]


@pytest.mark.parametrize("hole", [1, 12])
def test_the_findings_are_those_of_reading_back_after_a_hole(
    client: PolygonClient, store: Connection, hole: int
):
    judged(client, store, DAYS[: 24 - hole])

    later = by_rule(judged(client, store, DAYS[24:]).findings(store, DAYS[24:]))

    assert later == read_back(store, DAYS[24:])


def test_two_ranges_two_years_apart_have_the_findings_of_each_alone(
    client: PolygonClient, store: Connection
):
    """With twenty bars before it a bar can be judged, so thirty sessions show what there is."""
    long_ago = sessions_between(date(2022, 5, 2), date(2022, 6, 13))
    make_quarters(store, long_ago)
    alone = [
        by_rule(judged(client, store, days).findings(store, days)) for days in (long_ago, DAYS)
    ]

    together = read_back(store, [*long_ago, *DAYS])

    of_bars = {each.name for each in RULES if each.level in (Level.ROW, Level.SERIES)}
    counts = [{name: found[name][0] for name in of_bars} for found in (*alone, together)]
    first, second, both = (sum(each.pop(name, 0) for name in OF_GAPS) for each in counts)
    assert counts[2] == {name: counts[0][name] + counts[1][name] for name in counts[2]}
    assert first < both <= first + second, "a symbol that rarely trades is not by_rule again"


def test_nothing_is_read_back(
    client: PolygonClient, store: Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(packed, "read")
    monkeypatch.delattr(packed, "receive")

    assert judged(client, store).findings(store, DAYS) is not None


def test_sessions_are_covered_as_if_their_bars_were_read(
    client: PolygonClient, store: Connection, vendor: SimulatedVendor
):
    vendor.faults.add("bad_rows", endpoint="grouped", session="2024-05-28")
    repaired = answered_symbol("ZZZZ", [DAYS[9]], {DAYS[9]: bar("ZZZZ")})
    write_symbol(store, repaired, None)
    found = judged(client, store)

    with pytest.MonkeyPatch.context() as nothing:
        nothing.delattr(streaks, "stored_bars")
        cover(store, found.bars)
    covered = coverage(store)
    cover_anew(store)

    assert len(covered) > 200
    assert covered == coverage(store)


def coverage(connection: Connection) -> list[Any]:
    return connection.execute(
        "SELECT symbol, first_date, last_date, bar_count, missing_count, loaded"
        " FROM data_coverage ORDER BY symbol"
    ).fetchall()


def cover_anew(connection: Connection) -> None:
    """Cover by reading the bars, as if there were no coverage."""
    connection.execute("DELETE FROM data_coverage")
    connection.execute("UPDATE session_loads SET covered = false")
    connection.execute("UPDATE symbol_loads SET covered = false")
    cover(connection)


def test_bars_are_not_known_of_other_sessions_or_versions(client: PolygonClient, store: Connection):
    found = judged(client, store, DAYS[:3])
    known = {day: (one.content_hash, one.stored) for day, one in stored_loads(store).items()}

    bars = found.bars({day: known[day] for day in DAYS[1:3]})

    assert bars is not None
    symbols, there = bars
    assert there.shape == (len(symbols), 2)
    assert len(symbols) > 200
    assert found.bars(known | {DAYS[3]: ("hash", 200)}) is None
    assert found.bars(known | {DAYS[2]: (None, known[DAYS[2]][1])}) is None


def test_findings_end_with_what_they_are_about(client: PolygonClient, store: Connection):
    found = judged(client, store, DAYS[:3])
    assert found.findings(store, DAYS[:3]) is not None

    assert found.findings(store, DAYS[:4]) is not None, "the fourth is not stored"
    assert found.findings(store, DAYS[:2]) is None


def test_findings_end_when_a_session_is_loaded_or_repaired_again(
    client: PolygonClient, store: Connection
):
    found = judged(client, store, DAYS[:4])
    now = datetime.now(UTC)

    write_symbol(store, answered_symbol("AAPL", [DAYS[3]], {DAYS[3]: bar()}, at=now), None)
    assert found.findings(store, DAYS[:4]) is None

    found = judged(client, store, [DAYS[4]])
    later = [bar(f"S{n}") for n in range(400)]
    write_session(store, answered(DAYS[4], *later, at=now + timedelta(minutes=1)), None)
    assert found.findings(store, [DAYS[4]]) is None


def test_sessions_that_come_out_of_order_are_left_to_be_read(
    client: PolygonClient, store: Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(Scan, "judge")

    found = judged(client, store, [DAYS[0], DAYS[2], DAYS[1], *DAYS[3:12]])

    assert found.findings(store, DAYS[:12]) is None
    first = stored_loads(store)[DAYS[0]]
    assert found.bars({DAYS[0]: (first.content_hash, first.stored)}) is None


def test_after_an_error_of_the_judge_all_is_left_to_be_read(
    client: PolygonClient,
    store: Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    def broken(*_: object) -> None:
        raise ArithmeticError("of the judge")

    monkeypatch.setattr(Scan, "judge", broken)

    found = judged(client, store)

    assert found.findings(store, DAYS) is None
    assert "of the judge" in caplog.text
    assert found.bars({}) is None
