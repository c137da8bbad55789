"""Every rule, on what a vendor sends: the planted case is found, and its neighbour is not."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from universe_pipeline.adapters.polygon.client import PolygonClient
from universe_pipeline.adapters.postgres.bars.quarters import make_quarters
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.quality.rule_results import record_verdicts
from universe_pipeline.adapters.postgres.reference.splits import SPLIT_TABLES
from universe_pipeline.adapters.postgres.reference.whole_lists import swap_list
from universe_pipeline.domain.quality.findings import Finding
from universe_pipeline.domain.quality.rules import Level, Severity
from universe_pipeline.domain.reference_lists import Listed
from universe_pipeline.domain.sessions import sessions_between
from universe_pipeline.domain.splits import SPLIT_SCHEMA
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.loading.quality.stored import judge_bars, judge_universe
from universe_pipeline.loading.sessions import Encoding, Outcome, fetch_sessions
from universe_pipeline.loading.sessions import store as store_answer
from universe_pipeline.loading.universe import discover
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import machine
from universe_pipeline_tests.support.planted_faults import SERIES, SPLITS, calm, plant
from universe_pipeline_tests.support.simulated_answers import ask

DAYS = sessions_between(date(2024, 4, 15), date(2024, 7, 9))
"""Sixty sessions."""


def load(
    client: PolygonClient, connection: Connection, days: Sequence[date] = DAYS
) -> list[Outcome]:
    make_quarters(connection, days)
    fetched = fetch_sessions(client, days, Encoding(), machine)
    return [store_answer(connection, each, None) for each in fetched]


def judged(connection: Connection, days: Sequence[date] = DAYS) -> dict[str, Finding]:
    found = judge_bars(connection, days, Thresholds(), fingerprints=True)
    return {each.rule.name: each for each in found}


def rows_of(vendor: SimulatedVendor, session: date) -> list[dict[str, Any]]:
    path = f"/v2/aggs/grouped/locale/us/market/stocks/{session}?adjusted=false"
    return ask(vendor, path)["results"]


def new(n: int) -> dict[str, Any]:
    """A row of an unknown symbol."""
    return {"T": f"NEW.{n}"} | calm(n)


def standing_still(rows: list[dict[str, Any]], session: date) -> list[dict[str, Any]]:
    """The rows with the same prices and other volumes, as if they were of `session`."""
    moved = (session - DAYS[43]).days * 86_400_000
    return [row | {"v": row["v"] + 1, "t": row["t"] + moved} for row in rows if row["v"]]


def listed_on(connection: Connection, exchange: str) -> list[str]:
    """The common stocks of an exchange, without the benchmark."""
    rows = connection.execute(
        "SELECT symbol FROM symbols WHERE type = 'CS' AND active AND primary_exchange = %s"
        " AND symbol <> 'BRK.A' ORDER BY symbol",
        (exchange,),
    )
    return [row[0] for row in rows]


def test_of_every_series_the_planted_case_is_found_and_its_neighbour_is_not(
    client: PolygonClient, store: Connection, many: SimulatedVendor
) -> None:
    plant(many, DAYS)
    known = [(symbol, DAYS[25], 1.0, 10.0, None) for symbol in SPLITS]
    listed = pl.DataFrame(known, schema=SPLIT_SCHEMA, orient="row")
    swap_list(store, SPLIT_TABLES, Listed("splits", listed, (), datetime.now(UTC)), None)

    outcomes = load(client, store)
    found = judged(store)

    assert {outcome.state for outcome in outcomes} == {"loaded"}
    assert not any(each.count for each in found.values() if each.rule.severity is Severity.ERROR)
    assert {
        name: sorted((DAYS.index(one.day), one.symbol) for one in planted)
        for name, each in found.items()
        if (planted := [one for one in each.worst if one.day and one.symbol in SERIES])
        and name != "traded_symbols_are_listed"
    } == {
        "vwap_is_near_the_range": [(25, "BAD.VWAP")],
        "high_and_low_are_near_open_and_close": [(25, "BAD.WICK")],
        "early_volume_is_whole": [(25, "BAD.WHOLE")],
        "transactions_agree_with_volume": [(25, "BAD.TRADES")],
        "series_have_no_gaps": [(10, "BAD.TWO"), (10, "OK.TWO"), (25, "BAD.GAP")],
        "closes_do_not_stand_still": [(29, "BAD.STILL")],
        "prices_are_of_a_usual_size": [(25, "BAD.SIZE")],
        "volume_is_near_its_usual": [(25, "BAD.VOLUME")],
        "placeholders_repeat_the_close_before": [(25, "BAD.CARRIED")],
        "jumps_are_explained_by_splits": [(25, "BAD.JUMP")],
        "moves_like_a_split_are_splits": [(25, "BAD.SPLIT")],
        "splits_show_in_prices": [(25, "BAD.SHOWN")],
        "prices_keep_their_scale": [(25, "BAD.SCALE"), (26, "BAD.SCALE")],
        "moves_do_not_revert_at_once": [(25, "BAD.SCALE"), (25, "BAD.SPIKE")],
        "symbols_stay_one_company": [(32, "BAD.TWO")],
    }


def test_of_every_session_the_planted_case_is_found_and_its_neighbours_are_not(
    client: PolygonClient, store: Connection, many: SimulatedVendor
) -> None:
    discover(client, store, machine)
    usual = len(rows_of(many, DAYS[30]))
    alike = rows_of(many, DAYS[39])
    stamp = rows_of(many, DAYS[40])[0]["t"]
    others = {row["T"] for row in rows_of(many, DAYS[24])} - {*Thresholds().benchmarks}
    shorter, other = sorted(others), listed_on(store, "XNYS")
    fault = many.faults.add
    fault("missing", session=DAYS[24], tickers=shorter[: usual // 20])  # 5 % fewer
    fault("bad_rows", session=DAYS[26], rows=[new(n) for n in range(usual // 8)])  # 12 % more
    fault("missing", session=DAYS[28], tickers=["SPY", "MSFT"])
    fault("bad_rows", session=DAYS[30], rows=[new(n) | {"c": 0} for n in range(usual // 100)])
    fault("missing", session=DAYS[32], tickers=other[: len(other) // 5])
    fault("empty", session=DAYS[40])
    fault("bad_rows", session=DAYS[40], rows=[row | {"t": stamp} for row in alike])
    fault("empty", session=DAYS[44])
    fault("bad_rows", session=DAYS[44], rows=standing_still(rows_of(many, DAYS[43]), DAYS[44]))

    outcomes = load(client, store)
    found = judged(store)

    assert {DAYS.index(each.session) for each in outcomes if each.state == "quarantined"} == {
        26,
        28,
        40,
    }
    assert {
        name: sorted({DAYS.index(one.day) for one in each.worst if one.day})
        for name, each in found.items()
        if each.count and each.rule.degrades
    } == {
        "session_has_a_plausible_row_count": [26],
        "session_has_the_benchmark_symbols": [28],
        "session_differs_from_the_one_before": [40],
        "session_has_its_usual_row_count": [24, 26, 32],
        "session_rejects_its_usual_share": [30],
        "session_has_every_exchange": [32],
        "session_moves_as_usual": [40, 44],
    }


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A placeholder instead of a row."""
    return row | dict.fromkeys(("o", "h", "l", "c", "vw"), row["c"]) | {"v": 1, "n": 1}


def test_sessions_that_differ_as_a_whole_are_degraded_and_their_symbols_are_not_blamed(
    client: PolygonClient, store: Connection, many: SimulatedVendor
) -> None:
    prices = ("o", "h", "l", "c", "vw")
    changed: dict[int, Callable[[int, dict[str, Any]], dict[str, Any]]] = {
        26: lambda _, row: row | {"v": row["v"] * 2},
        32: lambda _, row: row | {"v": row["v"] / 2},
        38: lambda n, row: flat(row) if n % 2 else row,
        44: lambda _, row: row | {name: row[name] * 10 for name in prices if name in row},
    }
    load(client, store)
    plain = judged(store)
    for n, change in changed.items():
        rows = [change(place, row) for place, row in enumerate(rows_of(many, DAYS[n]))]
        many.faults.add("empty", session=DAYS[n])
        many.faults.add("bad_rows", session=DAYS[n], rows=rows)

    outcomes = load(client, store)
    found = judged(store)
    of_sessions = [each for each in found.values() if each.rule.degrades]
    record_verdicts(store, DAYS, of_sessions, None, datetime.now(UTC))

    assert {outcome.state for outcome in outcomes} == {"loaded"}
    assert {
        name: sorted({DAYS.index(one.day) for one in each.worst if one.day})
        for name, each in found.items()
        if each.count and each.rule.degrades
    } == {"session_does_not_differ_as_a_whole": sorted(changed)}
    shifted = {one.day: one.detail for one in found["session_does_not_differ_as_a_whole"].worst}
    assert all(" findings of symbols follow from it" in detail for detail in shifted.values())
    assert shifted[DAYS[44]].startswith("prices are 10 times those of the session before; ")
    follow = int(shifted[DAYS[44]].split("; ")[1].split()[0].replace(",", ""))
    assert follow > 2 * 1_000  # there and back
    for name, each in found.items():
        if each.rule.level in (Level.ROW, Level.SERIES):
            assert each.count <= plain[name].count + 5, name
    conditions = store.execute(
        "SELECT date FROM session_conditions WHERE condition = 'degraded' ORDER BY date"
    ).fetchall()
    assert [row[0] for row in conditions] == [DAYS[n] for n in sorted(changed)]


def test_of_the_lists_the_planted_case_is_found_and_its_neighbours_are_not(
    client: PolygonClient, store: Connection, many: SimulatedVendor
) -> None:
    discover(client, store, machine)
    before = store.execute("SELECT symbol FROM symbols WHERE type = 'ETF' LIMIT 60").fetchall()
    lost = ["A", *(row[0] for row in before)]
    many.faults.add("missing", endpoint="tickers", tickers=lost)
    many.faults.add("missing", endpoint="grouped", tickers=["TRUE"])
    many.faults.add("bad_rows", session=DAYS[25], rows=[new(0) | {"T": "TWTR"}])
    discover(client, store, machine, force=True)

    load(client, store, DAYS[:40])
    bars = judged(store, DAYS[:40])
    lists = {each.rule.name: each for each in judge_universe(store)}

    idle = {one.symbol for one in bars["listed_stocks_trade"].worst}
    assert "TRUE" in idle
    assert "AAPL" not in idle
    assert [(one.symbol, one.day) for one in bars["delisted_symbols_do_not_trade"].worst] == [
        ("TWTR", DAYS[25])
    ]
    unlisted = {row[0] for row in store.execute("SELECT symbol FROM symbols WHERE NOT active")}
    assert {"A"} <= unlisted  # it stays, as inactive
    assert "ZVZZT" in {one.symbol for one in bars["traded_symbols_are_listed"].worst}
    assert "AAPL" not in {one.symbol for one in bars["traded_symbols_are_listed"].worst}
    reported = [
        one.detail.partition(":")[0] for one in lists["universe_resembles_the_one_before"].worst
    ]
    assert "ETF" in reported
    assert "CS" not in reported


def test_volume_without_fractions_is_found_since_the_tape_has_them(store: Connection) -> None:
    whole, usual, early = date(2026, 3, 3), date(2026, 3, 4), date(2026, 2, 20)
    with SimulatedVendor(symbols=1_600) as vendor, PolygonClient(vendor.base_url, "key") as client:
        rows = [row | {"v": round(row["v"])} for row in rows_of(vendor, whole)]
        vendor.faults.add("empty", session=whole)
        vendor.faults.add("bad_rows", session=whole, rows=rows)

        load(client, store, [early, whole, usual])

    found = judged(store, [early, whole, usual])
    assert [one.day for one in found["session_has_fractional_volume"].worst] == [whole]
    assert found["early_volume_is_whole"].count == 0
