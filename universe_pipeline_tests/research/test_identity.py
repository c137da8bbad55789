"""A symbol means the security that bears it, under all of its symbols."""

import pytest

from universe_pipeline import read
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline_tests.research.planted import plant_listings
from universe_pipeline_tests.support.session_answers import (
    JULY_1,
    JULY_2,
    JULY_3,
    JULY_5,
    answered,
    answered_symbol,
    bar,
    write_session,
    write_symbol,
)

FB, FUND, OLD = 1, 2, 3


@pytest.fixture
def ids(store: Connection) -> dict[int, int]:
    """FB becomes META on July 3, when a fund has just left the symbol; OLD lasts two sessions."""
    for day, symbols in (
        (JULY_1, ("FB", "META", "OLD")),
        (JULY_2, ("FB", "OLD")),
        (JULY_3, ("META",)),
        (JULY_5, ("META", "ZZ")),
    ):
        write_session(store, answered(day, *(bar(symbol) for symbol in symbols)), None)
    return plant_listings(
        store,
        [
            (FB, "FB", "CS", JULY_1, JULY_3),
            (FB, "META", "CS", JULY_3, None),
            (FUND, "META", "ETF", JULY_1, JULY_2),
            (OLD, "OLD", "CS", JULY_1, JULY_3),
        ],
    )


def test_a_symbol_brings_its_earlier_symbols(ids: dict[int, int], data: read.Reader) -> None:
    found = data.bars("META", start=JULY_1, end=JULY_5)

    assert found.select("date", "symbol", "security_id").rows() == [
        (JULY_1, "FB", ids[FB]),
        (JULY_2, "FB", ids[FB]),
        (JULY_3, "META", ids[FB]),
        (JULY_5, "META", ids[FB]),
    ]


def test_symbols_that_were_loaded_alone_need_no_sessions(
    store: Connection, data: read.Reader
) -> None:
    for symbol, days in (("FB", [JULY_1, JULY_2]), ("META", [JULY_3])):
        write_symbol(store, answered_symbol(symbol, days, {day: bar(symbol) for day in days}), None)
    plant_listings(store, [(FB, "FB", "CS", JULY_1, JULY_3), (FB, "META", "CS", JULY_3, None)])

    assert data.bars("META")["symbol"].to_list() == ["FB", "FB", "META"]
    with pytest.raises(read.NotLoaded):
        data.bars(["META", "FB"], JULY_1, JULY_5)


def test_an_id_means_its_security(ids: dict[int, int], data: read.Reader) -> None:
    found = data.bars([ids[FUND], ids[OLD]], start=JULY_1)

    assert found.select("date", "symbol").rows() == [
        (JULY_1, "META"),
        (JULY_1, "OLD"),
        (JULY_2, "OLD"),
    ]


def test_a_symbol_can_be_read_whoever_bore_it(ids: dict[int, int], data: read.Reader) -> None:
    found = data.bars("META", start=JULY_1, follow=False)

    assert found.select("date", "security_id").rows() == [
        (JULY_1, ids[FUND]),
        (JULY_3, ids[FB]),
        (JULY_5, ids[FB]),
    ]


def test_two_holders_need_an_end_or_an_id(ids: dict[int, int], data: read.Reader) -> None:
    with pytest.raises(read.AmbiguousSymbol) as raised:
        data.bars("META", start=JULY_1)

    assert str(raised.value) == (
        f"META means 2 securities in 2024-07-01..2024-07-05: FB@2024-07-01 ({ids[FB]}), "
        f"META@2024-07-01 ({ids[FUND]}). Give an id, or end="
    )
    assert data.bars("META", JULY_1, JULY_1)["security_id"].to_list() == [ids[FUND]]


def test_an_id_that_was_merged_means_its_successor(
    store: Connection, ids: dict[int, int], data: read.Reader
) -> None:
    (merged,) = plant_listings(store, [(9, "GONE", "CS", JULY_1, JULY_2)]).values()
    store.execute("DELETE FROM listings WHERE security_id = %s", (merged,))
    store.execute(
        "UPDATE securities SET merged_into = %s WHERE security_id = %s", (ids[OLD], merged)
    )

    assert data.bars(merged, start=JULY_1)["symbol"].to_list() == ["OLD", "OLD"]


def test_an_unknown_id_is_named(ids: dict[int, int], data: read.Reader) -> None:
    with pytest.raises(read.UnknownSymbol, match=r"^no security has the id 987654321$"):
        data.bars(987654321, start=JULY_1)


def test_wide_columns_bear_what_was_asked_for(ids: dict[int, int], data: read.Reader) -> None:
    found = data.closes(["META", "OLD"], JULY_1, JULY_5)
    shared = data.closes([ids[FB], ids[FUND]], JULY_1)

    assert found.columns == ["date", "META", "OLD"]
    assert found["META"].null_count() == 0
    assert shared.columns == ["date", "FB@2024-07-01", "META@2024-07-01"]


def test_a_universe_is_of_the_listings_of_the_day(ids: dict[int, int], data: read.Reader) -> None:
    of_types = data.bars(start=JULY_1, universe=["ETF"])

    found = data.bars(start=JULY_1, universe=True)

    assert found.select("date", "symbol").rows() == [
        (JULY_1, "FB"),
        (JULY_1, "OLD"),
        (JULY_2, "FB"),
        (JULY_2, "OLD"),
        (JULY_3, "META"),
        (JULY_5, "META"),
    ]
    assert len(data.bars(start=JULY_1, universe="WARRANT")) == 0
    assert of_types.select("date", "security_id").rows() == [(JULY_1, ids[FUND])]


def test_everything_names_the_security_of_the_day(ids: dict[int, int], data: read.Reader) -> None:
    found = data.session(JULY_5)

    assert found.select("symbol", "security_id").rows() == [("META", ids[FB]), ("ZZ", None)]


def test_until_listings_are_built_the_universe_is_of_todays_types(
    store: Connection, data: read.Reader
) -> None:
    write_session(store, answered(JULY_1, bar("A"), bar("F")), None)
    store.execute(
        "INSERT INTO symbols (symbol, name, type, active, first_seen_at, last_seen_at) VALUES"
        " ('A', '', 'CS', true, now(), now()), ('F', '', 'ETF', true, now(), now())"
    )

    found = data.bars(start=JULY_1, universe=True)

    assert found.select("symbol", "security_id").rows() == [("A", None)]


def test_the_universe_of_a_day_is_its_listings(ids: dict[int, int], data: read.Reader) -> None:
    found = data.universe_on("2024-07-02")
    funds = data.universe_on(JULY_1, types=["ETF"])

    assert found.select("security_id", "symbol").rows() == [(ids[FB], "FB"), (ids[OLD], "OLD")]
    assert found["valid_to"].to_list() == [JULY_3, JULY_3]
    assert funds["symbol"].to_list() == ["META"]
    assert len(data.universe_on(JULY_2)) == 2, "types were chosen for one call"


def test_without_listings_there_is_no_universe_of_a_day(
    store: Connection, data: read.Reader
) -> None:
    with pytest.raises(read.NotLoaded, match=r"^no listings stored: run `universe discover`$"):
        data.universe_on(JULY_1)


def test_listings_are_all_or_those_of_a_symbol(ids: dict[int, int], data: read.Reader) -> None:
    found = data.listings("FB")

    assert found.select("symbol", "valid_from", "valid_to", "end_reason").rows() == [
        ("FB", JULY_1, JULY_3, "unknown"),
        ("META", JULY_3, None, None),
    ]
    assert len(data.listings()) == 4
    with pytest.raises(read.UnknownSymbol, match="AAPLE"):
        data.listings("AAPLE")
