"""The planted cases: what the lists say, what the prices do, and what is true."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from universe_pipeline.domain.sessions import all_sessions, sessions_between
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline.simulator.truth import Case, TrueDividend, TrueListing, TrueSplit, Truth
from universe_pipeline.simulator.world import World
from universe_pipeline_tests.support.asking import TICKERS, ask, daily_range, grouped

DAY = date(2024, 7, 9)
SPLITS, DIVIDENDS = "/stocks/v1/splits", "/stocks/v1/dividends"


def ago(count: int) -> date:
    sessions = all_sessions()
    return sessions[sessions.index(DAY) - count]


def at(moment: date) -> SimulatedVendor:
    """A vendor on the evening of that day."""
    now = datetime(moment.year, moment.month, moment.day, 22, tzinfo=UTC)
    return SimulatedVendor(symbols=50, now=lambda: now, planted_until=DAY)


@pytest.fixture(scope="module")
def planted() -> Iterator[SimulatedVendor]:
    with at(DAY) as vendor:
        yield vendor


TRUTH: Truth = World(50, planted_until=DAY).truth
LISTED = [split for split in TRUTH.splits if split.execution_date <= DAY]
PAID = [dividend for dividend in TRUTH.dividends if dividend.ex_date <= DAY]


def bars(vendor: SimulatedVendor, symbol: str, *, around: date) -> list[dict[str, Any]]:
    """The last bar before a day, and that day's."""
    start = (around - timedelta(days=7)).isoformat()
    return daily_range(vendor, symbol, start, around.isoformat()).rows[-2:]


def held_by(symbol: str, day: date) -> str:
    """The symbol that the security had on `day` that has `symbol` on the planted day."""
    security = TRUTH.security(symbol, DAY)
    return next(
        each.symbol
        for each in TRUTH.listings
        if each.security == security and each.first <= day < (each.end or date.max)
    )


def listing_of(case: Case, symbol: str) -> list[TrueListing]:
    return [each for each in TRUTH.listings if (each.case, each.symbol) == (case, symbol)]


def test_every_case_is_planted_in_the_smallest_world():
    found = {each.case for each in (*TRUTH.listings, *TRUTH.splits, *TRUTH.dividends)}

    assert found - {None} == set(Case) - {Case.GHOST}, "a ghost has no bars, so no listing"


def test_all_but_the_oldest_lie_in_the_last_25_sessions():
    days = [each.execution_date for each in TRUTH.splits]
    days += [each.ex_date for each in TRUTH.dividends]
    changes = [
        moment
        for each in TRUTH.listings
        if each.case
        for moment in (each.first, each.end)
        if moment and moment.year > 2003 and moment < DAY
    ]

    assert min(days) > ago(25)
    changes.sort()
    assert changes[0] == ago(50), "the former holder of a reused ticker"
    assert changes[1] > ago(25)


def test_other_answers_are_those_of_a_world_without_cases(planted: SimulatedVendor):
    symbols = {each.symbol for each in TRUTH.listings if each.case}
    now = datetime(2024, 7, 9, 22, tzinfo=UTC)
    with SimulatedVendor(symbols=50, now=lambda: now) as plain:
        for session in sessions_between(ago(24), DAY):
            ours = grouped(planted, str(session)).by_ticker
            others = {ticker: row for ticker, row in ours.items() if ticker not in symbols}
            assert others == grouped(plain, str(session)).by_ticker


@pytest.mark.parametrize("split", LISTED, ids=lambda split: f"{split.symbol}-{split.split_to}")
def test_prices_change_by_the_true_splits_alone(planted: SimulatedVendor, split: TrueSplit):
    day = split.applied_on or split.execution_date
    before, bar = bars(planted, held_by(split.symbol, day), around=day)

    same_day = [each for each in TRUTH.splits if each.symbol == split.symbol]
    real = next((each for each in same_day if each.applied_on == day), None)
    expected = real.split_to / real.split_from if real else 1.0
    assert before["c"] / bar["o"] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("dividend", PAID, ids=lambda each: f"{each.symbol}-{each.cash_amount}")
def test_opens_fall_by_what_is_truly_paid(planted: SimulatedVendor, dividend: TrueDividend):
    before, bar = bars(planted, dividend.symbol, around=dividend.ex_date)
    halved = 2 if dividend.case is Case.DIVIDEND_ON_SPLIT_DAY else 1

    paid = sum(
        each.paid
        for each in PAID
        if (each.symbol, each.ex_date) == (dividend.symbol, dividend.ex_date)
    )
    assert before["c"] / halved - bar["o"] == pytest.approx(paid, abs=0.005 * bar["o"])


def split_rows(vendor: SimulatedVendor, symbols: set[str]) -> list[tuple[str, str, float, float]]:
    found = ask(vendor, f"{SPLITS}?limit=5000&ticker.any_of={','.join(symbols)}").rows
    return sorted((r["ticker"], r["execution_date"], r["split_from"], r["split_to"]) for r in found)


@pytest.mark.parametrize("moment", [ago(22), ago(7), DAY])
def test_the_list_of_splits_says_what_the_truth_says_it_does(moment: date):
    with at(moment) as vendor:
        found = split_rows(vendor, {split.symbol for split in TRUTH.splits})

    assert found == sorted(
        (each.symbol, str(each.execution_date), each.split_from, each.split_to)
        for each in TRUTH.splits
        if each.is_listed and moment < (each.listed_until or date.max)
    )


def test_a_spin_off_is_known_by_its_id(planted: SimulatedVendor):
    (row,) = ask(planted, f"{SPLITS}?ticker=SPINO").rows

    assert row["id"].startswith("P")


def announced(dividend: TrueDividend) -> date:
    """When the list has it at the latest."""
    return dividend.listed_from or dividend.ex_date - timedelta(days=20)


@pytest.mark.parametrize("moment", [ago(18), ago(10), ago(2), DAY])
def test_the_list_of_dividends_says_what_the_truth_says_it_does(moment: date):
    symbols = {each.symbol for each in TRUTH.dividends}
    with at(moment) as vendor:
        window = f"ex_dividend_date.gt={ago(30)}&limit=5000"
        found = ask(vendor, f"{DIVIDENDS}?{window}&ticker.any_of={','.join(symbols)}").rows

    listed = {
        (row["ticker"], row["ex_dividend_date"], row["cash_amount"], row["currency"])
        for row in found
    }
    expected = {
        (each.symbol, str(each.ex_date), each.cash_amount, each.currency)
        for each in TRUTH.dividends
        if announced(each) <= moment < (each.listed_until or date.max)
    }
    early = {key for key in listed - expected if date.fromisoformat(key[1]) > moment}
    assert listed - early == expected, "but for those that are announced over 20 days ahead"


def test_an_exact_double_has_another_id_and_counts_twice_in_the_factor(planted: SimulatedVendor):
    one, other = ask(planted, f"{DIVIDENDS}?ticker=DOUBL").rows
    own = dict.fromkeys(("id", "historical_adjustment_factor"))

    assert one["id"] != other["id"]
    assert one | own == other | own
    once = other["historical_adjustment_factor"]
    assert one["historical_adjustment_factor"] == pytest.approx(once**2, abs=2e-6)


def test_the_deprecated_list_gives_a_fourth_of_a_cash_before_a_split(planted: SimulatedVendor):
    (older,) = ask(planted, "/v3/reference/dividends?ticker=ADJUS").rows
    (newer,) = ask(planted, f"{DIVIDENDS}?ticker=ADJUS").rows

    assert (older["cash_amount"], newer["cash_amount"]) == (0.1925, 0.77)


def on(vendor: SimulatedVendor, symbol: str, day: date, query: str = "") -> list[dict[str, Any]]:
    return ask(vendor, f"{TICKERS}?ticker={symbol}&date={day}{query}").rows


@pytest.mark.parametrize(
    ("old", "new", "changed", "has_figi"),
    [("FIGOL", "FIGNE", ago(8), True), ("CIKOL", "CIKNE", ago(9), False)],
)
def test_a_rename_leaves_no_row_and_keeps_its_identifiers(
    planted: SimulatedVendor, old: str, new: str, changed: date, has_figi: bool
):
    (before,), (after,) = on(planted, old, ago(10)), on(planted, new, changed)

    assert on(planted, old, changed) == on(planted, old, DAY, "&active=false") == []
    assert before["cik"] == after["cik"]
    assert ("composite_figi" in before) is has_figi
    assert before.get("composite_figi") == after.get("composite_figi")
    assert TRUTH.security(old, ago(10)) == TRUTH.security(new, DAY)


def test_events_date_a_rename_two_days_late_and_twice(planted: SimulatedVendor):
    results = ask(planted, "/vX/reference/tickers/FIGNE/events").json["results"]

    late = str(ago(8) + timedelta(days=2))
    assert [(e["ticker_change"]["ticker"], e["date"]) for e in results["events"]] == [
        ("FIGNE", late),
        ("FIGNE", late),
        ("FIGOL", "2003-09-10"),
    ]
    by_figi = ask(planted, f"/vX/reference/tickers/{results['composite_figi']}/events")
    assert by_figi.json["results"] == results
    assert ask(planted, "/vX/reference/tickers/FIGOL/events").status == 404


def test_a_spac_and_its_successor_share_nothing(planted: SimulatedVendor):
    (before,), (after,) = on(planted, "SPACQ", ago(8)), on(planted, "SPAVN", ago(7))

    assert before["cik"] != after["cik"]
    assert "composite_figi" not in before | after
    assert TRUTH.security("SPACQ", ago(8)) != TRUTH.security("SPAVN", ago(7))


@pytest.mark.parametrize(
    ("symbol", "left", "taken"),
    [("REUSE", ago(51), ago(18)), ("REFND", ago(22), ago(9)), ("HERTS", ago(13), ago(12))],
)
def test_a_ticker_passes_to_another_company(
    planted: SimulatedVendor, symbol: str, left: date, taken: date
):
    (before,), (after,) = on(planted, symbol, left), on(planted, symbol, taken)

    for key in ("cik", "composite_figi", "name"):
        assert before[key] != after[key]
    sessions = [
        datetime.fromtimestamp(row["t"] / 1000, UTC).date()
        for row in daily_range(planted, symbol, str(ago(60)), str(DAY)).rows
    ]
    assert sessions == [*sessions_between(ago(60), left), *sessions_between(taken, DAY)]
    assert TRUTH.security(symbol, left) != TRUTH.security(symbol, taken)


@pytest.mark.parametrize(("before", "after"), [("REFND", "REFNX"), ("HERTS", "HERIL")])
def test_the_former_holder_goes_on_elsewhere(planted: SimulatedVendor, before: str, after: str):
    assert TRUTH.security(before, ago(24)) == TRUTH.security(after, DAY)
    assert on(planted, before, ago(24))[0]["cik"] == on(planted, after, DAY)[0]["cik"]


def test_a_listing_flickers_in_lists_and_not_in_bars(planted: SimulatedVendor):
    listed = [bool(on(planted, "FLICK", day)) for day in sessions_between(ago(24), DAY)]

    assert listed.count(False) == 6
    assert len(daily_range(planted, "FLICK", str(ago(24)), str(DAY)).rows) == 25


def test_a_ghost_is_listed_for_a_day_and_never_trades(planted: SimulatedVendor):
    listed = [day for day in sessions_between(ago(24), DAY) if on(planted, "GHOST", day)]

    assert listed == [ago(10)]
    assert daily_range(planted, "GHOST", "2003-09-10", str(DAY)).json["resultsCount"] == 0


def test_the_newest_of_two_rows_is_the_later_holder(planted: SimulatedVendor):
    rows = on(planted, "TWOHD", ago(30))

    newest = max(rows, key=lambda row: row["last_updated_utc"])
    (today,) = on(planted, "TWOHD", DAY)
    assert len(rows) == 2
    assert newest["cik"] == today["cik"]
    nearest = min(rows, key=lambda row: row["last_updated_utc"])
    assert nearest["name"] == listing_of(Case.TWO_ROWS, "TWOHD")[0].name


def test_a_row_has_the_identifiers_of_another_company(planted: SimulatedVendor):
    (row,), (victim,) = on(planted, "FORID", DAY), on(planted, "VICTM", DAY)

    assert (row["cik"], row["composite_figi"]) == (victim["cik"], victim["composite_figi"])
    assert row["name"] != victim["name"]
    assert TRUTH.security("FORID", DAY) != TRUTH.security("VICTM", DAY)


def test_a_when_issued_line_is_a_security_of_its_own(planted: SimulatedVendor):
    (early,), (regular,) = on(planted, "WHISSw", ago(9)), on(planted, "WHISS", ago(8))

    assert (early["type"], early["composite_figi"]) == ("CS", regular["composite_figi"])
    assert TRUTH.security("WHISSw", ago(9)) != TRUTH.security("WHISS", ago(8))


def test_a_halt_has_no_bars_for_13_sessions(planted: SimulatedVendor):
    found = daily_range(planted, "HALTD", str(ago(24)), str(DAY)).rows

    assert len(found) == 25 - 13
    assert len(listing_of(Case.HALTED, "HALTD")) == 1
    assert "HALTD" not in grouped(planted, str(ago(10))).by_ticker


@pytest.mark.parametrize(("symbol", "rows"), [("DELIN", 1), ("DELAB", 0)])
def test_a_delisted_row_may_be_absent(planted: SimulatedVendor, symbol: str, rows: int):
    assert len(ask(planted, f"{TICKERS}?ticker={symbol}&active=false").rows) == rows
    assert on(planted, symbol, ago(6)) == []
    assert len(on(planted, symbol, ago(7))) == 1


def test_early_lists_have_no_types(planted: SimulatedVendor):
    (blank,), (typed,) = (
        on(planted, "AAPL", day) for day in (date(2016, 10, 24), date(2016, 10, 25))
    )

    assert "type" not in blank
    assert typed["type"] == "CS"


def test_an_overview_says_what_a_list_does_and_since_when(planted: SimulatedVendor):
    overview = ask(planted, f"{TICKERS}/REFND?date={ago(30)}").json

    assert list(overview) == ["request_id", "results", "status"]
    assert overview["results"]["type"] == "ETF"
    assert overview["results"]["list_date"] == "2003-09-10"
    today = ask(planted, f"{TICKERS}/REFND").json["results"]
    assert (today["type"], today["list_date"]) == ("CS", str(ago(9)))
    assert ask(planted, f"{TICKERS}/GHOST?date={ago(10)}").json["results"]["type"] == "CS"
    missing = ask(planted, f"{TICKERS}/REFND?date={ago(15)}")
    assert (missing.status, missing.json["message"]) == (404, "Ticker not found.")
