"""Answers that the live vendor gave to others decode to what is known of them.

Collected only with `--recorded FOLDER`. Most were asked for adjusted, and are read as such.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from universe_pipeline.adapters.polygon.bars import RangePage, grouped_bars, range_bars
from universe_pipeline.adapters.polygon.http import Reply
from universe_pipeline.adapters.polygon.origins import destination
from universe_pipeline.adapters.polygon.reference import ticker_page, ticker_types
from universe_pipeline.adapters.polygon.refusals import TooEarlyError, refusal
from universe_pipeline.adapters.polygon.splits import split_page
from universe_pipeline.domain import splits
from universe_pipeline.domain.adjustment import Adjustment, factors, steps
from universe_pipeline.domain.bars import Bars, Nothing
from universe_pipeline.domain.errors import (
    AccessError,
    FailureKind,
    PermanentError,
    RetryableError,
    VendorError,
)
from universe_pipeline.domain.quality import validate
from universe_pipeline.domain.symbols import resolve
from universe_pipeline_tests.support.vendor_answers import as_sent

URL = httpx.URL("https://api.massive.com/")


def test_two_pages_of_tickers(recorded: Path):
    first = ticker_page(_reply(recorded / "client_python/tickers_page1.json"), active=True)
    last = ticker_page(_reply(recorded / "client_python/tickers_page2.json"), active=True)

    assert first.frame.select("symbol", "name", "type", "cik").rows() == [
        ("A", "Agilent Technologies Inc.", "CS", "0001090872"),
        ("AA", "Alcoa Corporation", "CS", "0001675149"),
    ]
    assert first.frame["last_updated_utc"].to_list() == [datetime(2022, 4, 27, tzinfo=UTC)] * 2
    assert destination(URL, first.next_url or "") is not None
    assert last.frame.select("symbol", "type", "primary_exchange", "cik").rows() == [
        ("AAA", "ETF", "ARCX", None),
        ("AAAU", "ETF", "BATS", "0001708646"),
    ]
    assert last.next_url is None


def test_a_ticker_listed_twice_keeps_its_newer_row(recorded: Path):
    page = ticker_page(_reply(recorded / "trimmed/v3_tickers_THC_duplicate.json"), active=True)

    universe = resolve(page.frame)

    assert page.frame["symbol"].to_list() == ["THC", "THC"]
    assert universe.symbols["cik"].to_list() == ["0000070318"]
    assert universe.superseded["cik"].to_list() == ["0000034956"]


def test_fifteen_ticker_types(recorded: Path):
    types = ticker_types(_reply(recorded / "client_python/ticker_types.json"))

    assert len(types) == 15
    assert types["CS"] == "Common Stock"
    assert types["ADRC"] == "American Depository Receipt Common"
    assert types["LT"] == "Liquidating Trust"


def test_splits_of_the_older_endpoint(recorded: Path):
    page = split_page(_reply(recorded / "client_python/splits_v3.json"))

    found = splits.validate(page.frame)

    assert (page.rejected, found.rejected, page.next_url) == ((), (), None)
    assert found.accepted.select("symbol", "execution_date", "split_from", "split_to").rows() == [
        ("AMZN", date(2022, 6, 6), 1.0, 20.0),
        ("BRW", date(2022, 5, 20), 2.0, 1.0),
        ("CIG.C", date(2022, 5, 2), 3.0, 4.0),
        ("CM", date(2022, 5, 16), 1.0, 2.0),
        ("CTO", date(2022, 7, 1), 1.0, 3.0),
        ("DXCM", date(2022, 6, 10), 1.0, 4.0),
        ("GOOG", date(2022, 7, 18), 1.0, 20.0),
        ("GOOGL", date(2022, 7, 18), 1.0, 20.0),
        ("SHOP", date(2022, 6, 22), 1.0, 10.0),
        ("SHOP", date(2022, 6, 29), 1.0, 10.0),
    ]


def test_splits_of_the_newer_endpoint_and_the_factors_that_the_vendor_says(recorded: Path):
    path = recorded / "trimmed/stocks_v1_splits_AAPL.json"
    page = split_page(_reply(path))

    listed = splits.validate(page.frame).accepted
    days_before = listed.select("symbol", date=pl.col("execution_date") - timedelta(days=1))
    made = steps(splits.events(listed), by="symbol")
    found = factors(days_before, made, Adjustment.SPLITS, date(2026, 11, 23), by="symbol")

    assert page.frame["adjustment_type"].to_list() == ["forward_split"] * 2
    assert destination(URL, page.next_url or "") is not None
    said = {
        row["execution_date"]: row["historical_adjustment_factor"] for row in _json(path)["results"]
    }
    days = (day.isoformat() for day in listed["execution_date"])
    assert dict(zip(days, found["price_factor"].round(6), strict=True)) == said


def test_a_raw_grouped_day(recorded: Path):
    reply = _reply(recorded / "trimmed/grouped_2026-09-25_unadjusted.trimmed.json")

    bars = grouped_bars(reply, date(2026, 9, 25))

    assert isinstance(bars, Bars)
    assert bars.rejected == ()
    assert bars.frame.select("symbol", "volume", "transactions").rows() == [
        ("INEO", 51938.0, 203),
        ("PEBpF", 16902.906, 175),
        ("GTOQ", 2577.8477, 51),
        ("CRVL", 213849.305802, 7494),
        ("PHXEp", 16951.6951, 114),
        ("BRK.B", 2994434.093355, 88853),
        ("BCpC", 3328.0, 43),
        ("AAPL", 30002507.354057, 606476),
        ("NE.WS.A", 389.0, 6),
        ("SBXD.U", 2117.0, 16),
        ("BCATrw", 1869.1711, 143),
        ("AIIAr", 744.0, 6),
        ("ZBZX", 0.0, None),
        ("ZTST", 0.0, None),
    ]
    assert bars.frame["vwap"].to_list()[-3:] == [0.155, None, None]
    assert bars.frame.row(6) == ("BCpC", 23.45, 23.97, 23.4001, 23.97, 3328.0, 23.5217, 43)
    assert validate(bars.frame).rejected == ()


def test_a_grouped_day_whose_time_is_another_day_is_refused(recorded: Path):
    reply = _reply(recorded / "client_python/grouped_2005-04-04_wrong_day.json")

    with pytest.raises(RetryableError, match="1 of 1 rows are of 2020-10-14") as caught:
        grouped_bars(reply, date(2005, 4, 4), adjusted=True)

    assert caught.value.kind is FailureKind.WRONG_SESSION


def test_the_same_day_under_its_own_date(recorded: Path):
    reply = _reply(recorded / "client_python/grouped_2005-04-04_wrong_day.json")

    bars = grouped_bars(reply, date(2020, 10, 14), adjusted=True)

    assert isinstance(bars, Bars)
    assert bars.frame.rows() == [("GIK", 9.99, 10.02, 9.9, 10.02, 895345.0, 9.9979, 96)]


def test_an_adjusted_day_is_refused_where_a_raw_one_was_asked_for(recorded: Path):
    reply = _reply(recorded / "client_python/grouped_2005-04-04_wrong_day.json")

    with pytest.raises(RetryableError) as caught:
        grouped_bars(reply, date(2020, 10, 14))

    assert caught.value.kind is FailureKind.WRONG_ADJUSTMENT


@pytest.mark.parametrize(
    ("pull", "volumes"),
    [
        ("early", [98841.0, 219578.0, 87327.0, 2073106.0]),
        ("late", [98383.0, 216256.0, 84507.0, 2061910.0]),
    ],
)
def test_a_day_pulled_twice_has_two_volumes(recorded: Path, pull: str, volumes: list[float]):
    printed = _json(recorded / "trimmed/grouped_2021-05-18_changed_after_close.json")
    rows = [row | row[pull] for row in printed["rows"]]
    answer = {"status": "OK", "resultsCount": 4, "adjusted": False, "results": rows}

    bars = grouped_bars(Reply(URL, 200, as_sent(answer)), date(2021, 5, 18))

    assert isinstance(bars, Bars)
    assert bars.frame["symbol"].to_list() == ["AGYS", "AHAC", "AHACW", "AHCO"]
    assert bars.frame["volume"].to_list() == volumes
    assert bars.frame["close"].to_list() == [47.28, 9.87, 1.56, 23.48]


def test_a_range_across_the_change_to_summer_time(recorded: Path):
    page = _range(
        recorded / "client_python/range_AAPL_2005-04-01_2005-04-04.json",
        *("AAPL", date(2005, 4, 1), date(2005, 4, 4)),
    )

    assert page.frame.select("date", "close", "volume", "transactions").rows() == [
        (date(2005, 4, 1), 1.4604, 642646396.0, 82132),
        (date(2005, 4, 4), 1.4675, 578172308.0, 65543),
    ]


def test_a_range_with_volumes_in_scientific_form(recorded: Path):
    page = _range(
        recorded / "openbb/equity_historical_v2_2024-06-27_asc.json",
        *("AAPL", date(2023, 1, 3), date(2023, 1, 10)),
    )

    assert page.frame.select("date", "volume", "close").rows() == [
        (date(2023, 1, 3), 112117471.0, 125.07),
        (date(2023, 1, 4), 89100633.0, 126.36),
        (date(2023, 1, 5), 80716808.0, 125.02),
        (date(2023, 1, 6), 87754715.0, 129.62),
        (date(2023, 1, 9), 70790813.0, 130.15),
        (date(2023, 1, 10), 63896155.0, 130.73),
    ]


def test_a_range_that_is_delayed(recorded: Path):
    page = _range(
        recorded / "trimmed/v2_range_NVDA_DELAYED.json",
        *("NVDA", date(2024, 10, 14), date(2024, 10, 14)),
    )

    assert page.frame.rows() == [
        (
            *(date(2024, 10, 14), "NVDA", 136.47, 139.6, 136.3),
            *(138.07, 224602526.0, 138.3656, 1590531),
        )
    ]


def test_a_range_that_joins_two_companies(recorded: Path):
    printed = _json(recorded / "trimmed/v2_range_META_ticker_reuse.rows.json")
    reply = Reply(URL, 200, as_sent(printed | {"status": "OK"}))

    page = range_bars(reply, "META", date(2022, 1, 1), date(2022, 12, 31), adjusted=True)

    assert page.frame.select("date", "close").rows() == [
        (date(2022, 1, 27), 11.95),
        (date(2022, 1, 28), 12.31),
        (date(2022, 6, 9), 184.0),
        (date(2022, 6, 10), 175.57),
        (date(2022, 6, 13), 164.26),
    ]


def test_an_empty_day_is_nothing(recorded: Path):
    reply = _reply(recorded / "errors/200_empty_no_results_key.json")

    assert grouped_bars(reply, date(2024, 1, 15)) == Nothing()


def test_results_that_are_null_prove_nothing(recorded: Path):
    reply = _reply(recorded / "errors/200_empty_results_null.json")

    with pytest.raises(RetryableError) as caught:
        grouped_bars(reply, date(2024, 1, 16))

    assert caught.value.kind is FailureKind.UNEXPECTED_SHAPE


@pytest.mark.parametrize(
    ("name", "error", "kind", "text"),
    [
        ("400_bad_cursor", PermanentError, FailureKind.BAD_REQUEST, "strconv.ParseFloat"),
        ("400_to_before_from", PermanentError, FailureKind.BAD_REQUEST, "occurs before 'from'"),
        ("401_no_key", AccessError, FailureKind.UNAUTHORIZED, "API Key was not provided"),
        ("401_unknown_key", AccessError, FailureKind.UNAUTHORIZED, "Unknown API Key"),
        ("403_before_end_of_day", TooEarlyError, FailureKind.NOT_ENTITLED, "before end of day"),
        ("403_not_entitled", AccessError, FailureKind.NOT_ENTITLED, "You are not entitled"),
        ("403_timeframe", PermanentError, FailureKind.OUTSIDE_PLAN, "this data timeframe"),
        ("404_no_data", PermanentError, FailureKind.NOT_FOUND, "Data not found."),
        ("429_rate", RetryableError, FailureKind.RATE_LIMITED, "maximum requests per minute"),
    ],
)
def test_a_refusal_has_its_kind_and_text(
    recorded: Path, name: str, error: type[VendorError], kind: FailureKind, text: str
):
    refused = refusal(_reply(recorded / f"errors/{name}.json", status=int(name[:3])))

    assert isinstance(refused, error)
    assert refused.kind is kind
    assert text in refused.message


def _reply(path: Path, *, status: int = 200) -> Reply:
    return Reply(URL, status, path.read_bytes())


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes())


def _range(path: Path, symbol: str, start: date, end: date) -> RangePage:
    return range_bars(_reply(path), symbol, start, end, adjusted=True)
