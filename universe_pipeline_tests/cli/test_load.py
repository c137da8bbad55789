"""`historical`, `daily` and `discover`: what they load, ask for, and leave alone."""

from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from universe_pipeline.adapters.postgres.locks import VENDOR_LOCK
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline_tests.support.clocks import stop_clock
from universe_pipeline_tests.support.command_in_process import Command
from universe_pipeline_tests.support.simulated_answers import asked_sessions, grouped, tickers
from universe_pipeline_tests.support.stored import bars, statuses

Connection = psycopg.Connection

ON = "loading from 2024-07-09 on; set that earlier to load more"

WEEK = ("2024-03-11", "2024-03-12", "2024-03-13", "2024-03-14", "2024-03-15")


@pytest.fixture
def wednesday_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """2024-07-10, 12:00 in New York: the newest closed session is 2024-07-09."""
    stop_clock(monkeypatch, datetime(2024, 7, 10, 16, 0, tzinfo=UTC))


def places(connection: Connection) -> list[Any]:
    """Where every bar and load stands on disk, and the transaction that wrote it."""
    return connection.execute(
        "SELECT tableoid::regclass::text, ctid::text, xmin::text FROM daily_bars UNION ALL"
        " SELECT 'session_loads', ctid::text, xmin::text FROM session_loads UNION ALL"
        " SELECT 'data_coverage', ctid::text, xmin::text FROM data_coverage ORDER BY 1, 2"
    ).fetchall()


def test_historical_loads_a_range_row_for_row_and_value_for_value(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    ended = command("historical", "--start", "2024-03-09", "--end", "2024-03-13")

    assert ended.code == 0
    assert "historical_load_2024-03-09_2024-03-13: 3 of 3 sessions loaded" in ended.out
    assert asked_sessions(vendor) == ["2024-03-11", "2024-03-12", "2024-03-13"]
    for session in ("2024-03-11", "2024-03-12", "2024-03-13"):
        assert bars(connection, session) == grouped(vendor, session)
    # Those that read as missing values or differ by case alone are symbols like any other.
    special = {"BCPC", "BCpC", "NA", "NAN", "NULL", "TPC", "TRUE", "TpC"}
    assert special <= {row[0] for row in bars(connection, "2024-03-11")}


def test_fractional_volume_and_absent_vwap_are_stored_as_they_came(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2026-03-02", "--end", "2026-03-02")

    stored = bars(connection, "2026-03-02")
    assert stored == grouped(vendor, "2026-03-02")
    assert any(volume % 1 for *_, volume, _, _ in stored)
    assert [row[5:] for row in stored if row[0] == "ZTST"] == [(0.0, None, None)]


def test_a_rerun_fetches_nothing_and_writes_nothing(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-03-11", "--end", "2024-03-12")
    before, requests = places(connection), vendor.count()

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-12")

    assert ended.code == 0
    assert "all 2 sessions are loaded, nothing to fetch" in ended.out
    assert vendor.count() == requests
    assert places(connection) == before


def test_a_longer_range_fetches_only_what_is_not_loaded(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-03-12", "--end", "2024-03-13")

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-15")

    assert "historical_load_2024-03-11_2024-03-15: 3 of 3 sessions loaded" in ended.out
    assert asked_sessions(vendor) == list(WEEK)
    assert statuses(connection) == dict.fromkeys(WEEK, "loaded")


def test_a_reload_asks_again_and_keeps_what_the_vendor_changed_or_dropped(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-03-11", "--end", "2024-03-11")
    (volume,) = next(row[5:6] for row in bars(connection, "2024-03-11") if row[0] == "AAPL")
    vendor.faults.add("changed", tickers=["AAPL"], factor=2.0)
    vendor.faults.add("missing", tickers=["MSFT"], endpoint="grouped")

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-11", "--reload")

    assert ended.code == 0
    assert "2 revised" in ended.out
    revisions = connection.execute("SELECT symbol, date FROM bar_revisions ORDER BY symbol")
    assert revisions.fetchall() == [("AAPL", date(2024, 3, 11)), ("MSFT", date(2024, 3, 11))]
    old = connection.execute("SELECT volume FROM bar_revisions WHERE symbol = 'AAPL'").fetchone()
    assert old == (volume,)
    stored = {row[0]: row[5] for row in bars(connection, "2024-03-11")}
    assert stored["AAPL"] == 2 * volume
    assert "MSFT" not in stored


def test_a_reload_of_unchanged_data_writes_no_bar(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-03-11", "--end", "2024-03-11")
    where = "SELECT ctid::text, xmin::text FROM daily_bars ORDER BY 1"
    before = connection.execute(where).fetchall()

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-11", "--reload")

    assert "0 revised" in ended.out
    assert vendor.count("grouped") == 2
    assert connection.execute(where).fetchall() == before


def test_small_buffers_give_the_same_rows(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    ended = command(
        "historical", "--start", "2024-03-11", "--end", "2024-03-11", "--batch-size", "7"
    )

    assert ended.code == 0
    assert bars(connection, "2024-03-11") == grouped(vendor, "2024-03-11")


def test_rows_that_break_a_rule_are_rejected_under_its_name_and_the_rest_load(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    good = len(grouped(vendor, "2024-03-11"))
    vendor.faults.add("bad_rows", rows=[
        {"T": "SIMHIGH", "o": 10.0, "h": 8.5, "l": 8.0, "c": 9.0, "v": 1},
        {"T": "SIMZERO", "o": 10.0, "h": 11.0, "l": 0, "c": 10.5, "v": 1},
        {"T": "SIMTEXT", "o": "ten", "h": 11.0, "l": 9.0, "c": 10.5, "v": 1},
    ], endpoint="grouped")  # fmt: skip

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-11")

    assert ended.code == 0
    assert "3 rejected" in ended.out
    rejected = connection.execute("SELECT symbol, rule FROM rejected_bars ORDER BY symbol")
    assert rejected.fetchall() == [
        ("SIMHIGH", "ohlc_order"),
        ("SIMTEXT", "undecodable"),
        ("SIMZERO", "price_positive"),
    ]
    load = connection.execute("SELECT received, stored, rejected FROM session_loads").fetchone()
    assert load == (good + 3, good, 3)


def test_a_failed_session_leaves_the_others_loaded_and_is_said(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", session="2024-03-13")

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-15")

    assert ended.code == 1
    assert "4 of 5 sessions loaded" in ended.out
    assert ended.err.count("2024-03-13: the vendor has nothing there") == 1
    assert "Traceback" not in ended.err
    assert statuses(connection) == dict.fromkeys(WEEK, "loaded") | {"2024-03-13": "failed"}
    errors = connection.execute(
        "SELECT date, kind, http_status, attempts, retryable FROM data_fetch_errors"
    ).fetchall()
    assert errors == [(date(2024, 3, 13), "not_found", 404, 1, False)]


def test_a_session_that_is_not_published_yet_is_said_and_is_no_failure(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("403_before_end_of_day", session="2024-03-12")

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-12")

    assert ended.code == 0
    early = "2024-03-12: not published yet; `universe daily` or `resume` asks again"
    assert early in ended.out
    assert statuses(connection) == {"2024-03-11": "loaded", "2024-03-12": "pending"}
    assert connection.execute("SELECT * FROM data_fetch_errors").fetchall() == []


@pytest.mark.usefixtures("wednesday_noon")
def test_an_end_in_the_future_means_the_newest_closed_session_also_in_the_name(
    command: Command, connection: Connection
) -> None:
    ended = command("historical", "--start", "2024-07-08", "--end", "2099-01-01")

    assert ended.code == 0
    assert "historical_load_2024-07-08_2024-07-09: 2 of 2 sessions loaded" in ended.out
    names = connection.execute("SELECT name, end_date FROM load_jobs").fetchall()
    assert names == [("historical_load_2024-07-08_2024-07-09", date(2024, 7, 9))]


@pytest.mark.usefixtures("wednesday_noon")
@pytest.mark.parametrize(
    ("arguments", "start_date", "said"),
    [
        (
            ("--start", "2024-07-08", "--end", "2099-01-01"),
            "2003-09-10",
            ["2099-01-01 is after the newest closed session: loading up to 2024-07-09"],
        ),
        (
            ("--start", "1999-01-04", "--end", "2003-09-10"),
            "2003-09-10",
            ["1999-01-04 is before the vendor's first session: loading from 2003-09-10 on"],
        ),
        (
            ("--start", "2024-07-01"),
            "2024-07-09",
            [
                f"2024-07-01 is before UNIVERSE_START_DATE: {ON}",
            ],
        ),
        (("--start", "2024-07-06", "--end", "2024-07-08"), "2024-07-08", []),
        (("--start", "2024-07-09", "--end", "2024-07-09"), "2003-09-10", []),
    ],
    ids=["future end", "before the first session", "before the setting", "weekend", "as asked"],
)
def test_a_range_that_is_cut_is_said_to_be_so(
    command: Command, arguments: tuple[str, ...], start_date: str, said: list[str]
) -> None:
    ended = command("historical", *arguments, UNIVERSE_START_DATE=start_date)

    assert ended.code == 0
    notes = [line for line in ended.err.splitlines() if "loading" in line]
    assert notes == said


@pytest.mark.usefixtures("wednesday_noon")
def test_without_an_end_the_range_reaches_to_the_newest_closed_session(
    command: Command, connection: Connection
) -> None:
    command("historical", "--start", "2024-07-05")

    assert statuses(connection) == dict.fromkeys(
        ["2024-07-05", "2024-07-08", "2024-07-09"], "loaded"
    )


def test_daily_fetches_the_trailing_sessions_again_that_are_not_final(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-03-11", "--end", "2024-03-14")
    connection.execute(
        "UPDATE session_loads SET final = false WHERE date IN ('2024-03-11', '2024-03-13')"
    )
    already = vendor.count("grouped")
    vendor.faults.add("changed", tickers=["AAPL"], factor=3.0)

    ended = command("daily", "--date", "2024-03-15")

    # 2024-03-11 is more than three sessions back; 12 and 14 are final.
    assert asked_sessions(vendor, already) == ["2024-03-13", "2024-03-15"]
    assert ended.code == 0
    revised = connection.execute("SELECT symbol, date FROM bar_revisions").fetchall()
    assert revised == [("AAPL", date(2024, 3, 13))]


def test_daily_of_a_loaded_session_fetches_nothing(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("daily", "--date", "2024-03-15")
    requests = vendor.count()

    ended = command("daily", "--date", "2024-03-15")

    assert ended.code == 0
    assert vendor.count() == requests
    job = connection.execute("SELECT name, start_date, end_date, status FROM load_jobs").fetchone()
    assert job == ("daily_update_2024-03-15", date(2024, 3, 15), date(2024, 3, 15), "completed")


def test_the_universe_is_the_reference_lists_value_for_value(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    ended = command("discover")

    assert ended.code == 0
    listed: list[dict[str, Any]] = [
        {**row, "active": active}
        for active in (True, False)
        for row in tickers(vendor, active=active)
    ]
    by_symbol: dict[str, list[dict[str, Any]]] = {}
    for row in listed:
        by_symbol.setdefault(row["ticker"], []).append(row)
    once = {symbol: rows[0] for symbol, rows in by_symbol.items() if len(rows) == 1}
    stored = {
        row[0]: row
        for row in connection.execute(
            "SELECT symbol, name, type, primary_exchange, currency, cik, composite_figi,"
            " share_class_figi, active, delisted_date::text,"
            " to_char(last_updated_utc AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
            " FROM symbols"
        )
    }
    assert stored.keys() == by_symbol.keys()
    assert len(once) > 250
    for symbol, row in once.items():
        optional = ("type", "primary_exchange", "currency_name", "cik", "composite_figi")
        assert stored[symbol] == (
            symbol,
            row["name"],
            *(row.get(key) for key in optional),
            row.get("share_class_figi"),
            row["active"],
            row["delisted_utc"][:10] if "delisted_utc" in row else None,
            row["last_updated_utc"][:19] if "last_updated_utc" in row else None,
        )
    twice = {symbol: (stored[symbol][1], stored[symbol][5]) for symbol in ("SNDK", "THC")}
    assert twice == {
        "SNDK": ("Sandisk Corporation Common Stock", None),
        "THC": ("Tenet Healthcare Corporation New", "0000900002"),
    }


def test_a_universe_younger_than_a_day_is_used_again_unless_forced(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    first = vendor.count("tickers")

    reused = command("discover")
    again = vendor.count("tickers")
    forced = command("discover", "--force-refresh")

    assert (reused.code, forced.code) == (0, 0)
    assert "the universe is fresh" in reused.out
    assert (first, again, vendor.count("tickers")) == (2, 2, 4)
    assert connection.execute("SELECT count(*) FROM universe_snapshots").fetchone() == (2,)


def test_a_universe_older_than_a_day_is_discovered_by_the_next_load(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-03-11", "--end", "2024-03-11")
    connection.execute("UPDATE universe_snapshots SET taken_at = taken_at - interval '24 hours'")

    command("historical", "--start", "2024-03-11", "--end", "2024-03-11")

    assert vendor.count("tickers") == 4
    assert vendor.count("grouped") == 1


def test_a_failed_discovery_changes_nothing_and_is_asked_for_again(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    before = connection.execute("SELECT symbol, ctid::text FROM symbols ORDER BY 1").fetchall()
    vendor.faults.add("404", endpoint="tickers", active=False, times=1)

    ended = command("discover", "--force-refresh")

    assert ended.code == 1
    assert ended.out == ""
    why, next_step = ended.err.strip().splitlines()
    assert why.startswith("reference lists: the vendor has nothing there")
    assert next_step == "next: `universe retry` fetches what failed"
    after = connection.execute("SELECT symbol, ctid::text FROM symbols ORDER BY 1").fetchall()
    assert after == before
    assert connection.execute("SELECT count(*) FROM universe_snapshots").fetchone() == (1,)


def test_a_load_whose_discovery_fails_still_loads_the_bars(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404", endpoint="tickers")

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-11")

    assert ended.code == 1
    assert "reference lists" in ended.err
    assert statuses(connection) == {"2024-03-11": "loaded"}
    assert connection.execute("SELECT count(*) FROM symbols").fetchone() == (0,)
    coverage = connection.execute("SELECT count(*) > 200 FROM data_coverage").fetchone()
    assert coverage == (True,)


def test_a_symbol_that_vanishes_from_both_lists_stays_as_an_inactive_one(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    vendor.faults.add("missing", endpoint="tickers", tickers=["AAPL", "TWTR"])

    command("discover", "--force-refresh")

    rows = connection.execute(
        "SELECT symbol, active, delisted_date FROM symbols"
        " WHERE symbol IN ('AAPL', 'TWTR') ORDER BY symbol"
    ).fetchall()
    assert rows == [("AAPL", False, None), ("TWTR", False, None)]


def test_the_pace_and_the_time_that_a_load_takes_are_said_before_it_starts(
    command: Command, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("401_unknown_key")
    slow = {"POLYGON_RATE_LIMIT": "3", "UNIVERSE_CONCURRENCY": "1"}

    ended = command("historical", "--start", "2024-03-01", "--end", "2024-03-13", **slow)

    assert ended.err.splitlines()[:2] == [
        "9 sessions to fetch (2024-03-01 to 2024-03-13), 3 requests a minute, about 3 min",
        "universe and splits are asked for, too, 3 requests a minute, about 17 min",
    ]
    assert command("discover", **slow).err.splitlines()[0] == (
        "universe and splits are asked for, too, 3 requests a minute, about 17 min"
    )


def test_an_option_takes_no_more_than_the_setting_of_the_same_meaning(command: Command) -> None:
    day = ("historical", "--start", "2024-03-11", "--end", "2024-03-11")

    option, setting = (
        command(*day, "--concurrency", "1001"),
        command(*day, UNIVERSE_CONCURRENCY="1001"),
    )

    assert (option.code, setting.code) == (2, 2)
    assert "less than or equal to 1000" in option.err
    assert "less than or equal to 1000" in setting.err


def test_a_daily_update_revisits_no_session_before_a_later_start_date(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("historical", "--start", "2024-07-05", "--end", "2024-07-08")
    connection.execute("UPDATE session_loads SET final = false")
    asked = vendor.count("grouped")

    ended = command("daily", "--date", "2024-07-09", UNIVERSE_START_DATE="2024-07-08")

    assert ended.code == 0
    assert asked_sessions(vendor, asked) == ["2024-07-08", "2024-07-09"]


def test_another_vendor_is_refused_by_a_database_that_one_has_filled(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    command("discover")
    connection.execute("UPDATE vendor_of_record SET vendor = 'https://other.example'")

    ended = command("historical", "--start", "2024-03-11", "--end", "2024-03-11")

    assert ended.code == 1
    assert "was filled from https://other.example" in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert vendor.count("grouped") == 0


def test_a_vendor_of_which_nothing_came_does_not_keep_the_right_one_out(
    command: Command, connection: Connection, vendor: SimulatedVendor
) -> None:
    vendor.faults.add("404")
    day = ("historical", "--start", "2024-03-11", "--end", "2024-03-11")
    mistyped = command(*day)
    connection.execute("UPDATE vendor_of_record SET vendor = 'https://mistyped.example'")
    vendor.faults.clear()

    ended = command(*day)

    assert (mistyped.code, ended.code) == (1, 0)
    assert bars(connection, "2024-03-11") == grouped(vendor, "2024-03-11")
    recorded = connection.execute("SELECT vendor FROM vendor_of_record").fetchall()
    assert recorded == [("loopback",)]


def test_every_connection_that_stores_has_claimed_the_database_for_its_vendor(
    command: Command, connection: Connection
) -> None:
    function = sql.SQL(
        """
        CREATE FUNCTION require_claim() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
                           AND pid = pg_backend_pid() AND objid = {}) THEN
                RAISE 'stored without a claim';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    connection.execute(function.format(VENDOR_LOCK))
    stored = ("session_loads", "symbol_loads", "universe_snapshots", "split_snapshots")
    for table in stored:
        connection.execute(
            f"CREATE TRIGGER claim BEFORE INSERT ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION require_claim()"
        )

    command("discover")
    command("historical", "--start", "2024-03-11", "--end", "2024-03-11")
    command("historical", "--start", "2024-03-12", "--end", "2024-03-15", "--symbols", "AAPL")

    for table in stored:
        assert connection.execute(f"SELECT FROM {table}").rowcount > 0
