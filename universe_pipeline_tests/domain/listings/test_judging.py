"""Identity: each real case, from what its lists say; and never a join without evidence."""

import pytest

from universe_pipeline.domain.listings.evidence import Evidence
from universe_pipeline.domain.listings.judging import Override
from universe_pipeline.domain.listings.market import Break, Step
from universe_pipeline.domain.listings.segments import Calendar, Segment
from universe_pipeline_tests.support.identities import (
    Prices,
    calendar,
    day,
    delisted,
    described,
    listed,
    listed_today,
    securities,
    traded,
)

FB = {"cik": "1326801", "composite_figi": "BBG000MM2P62"}
META_SEGMENTS = [
    traded("FB", "2012-05-18", "2022-06-08"),
    traded("META", "2021-06-30", "2022-01-28"),
    traded("META", "2022-06-09"),
]
META_LISTS = [
    listed("FB", "2012-05-18", "2016-10-24", name="FACEBOOK INC CL A COM STK (DE)", **FB),
    listed("FB", "2016-10-25", "2021-10-29", name="Facebook, Inc. Class A", **FB),
    listed("FB", "2021-11-01", "2022-06-08", name="Meta Platforms, Inc. Class A", **FB),
    listed("META", "2021-06-30", "2022-01-28", name="Roundhill Ball Metaverse ETF", type="ETF"),
    listed("META", "2022-06-09", "2026-11-27", name="Meta Platforms, Inc. Class A", **FB),
]


def test_a_rename_with_its_figi_is_one_security_and_the_fund_another() -> None:
    assert described(securities(META_SEGMENTS, META_LISTS)) == [
        ["FB 2012-05-18..2022-06-09 figi", "META 2022-06-09.. figi"],
        ["META 2021-06-30..2022-01-31 list"],
    ]


def test_from_todays_lists_alone_what_they_do_not_name_is_unknown() -> None:
    found = securities(META_SEGMENTS, [listed_today("META", name="Meta Platforms, Inc.", **FB)])

    assert described(found) == [
        ["FB 2012-05-18..2022-06-09 unknown"],
        ["META 2021-06-30..2022-01-31 unknown"],
        ["META 2022-06-09.. figi"],
    ]
    assert [each.type for security in found for each in security.listings] == [None, None, "CS"]


def test_a_halt_divides_nothing_and_a_delisting_is_where_the_list_says() -> None:
    rows = [
        listed("SIVB", "2003-09-10", "2005-08-17", name="SVB FINANCIAL GROUP", cik="719739"),
        listed("SIVB", "2006-01-12", "2023-03-27", name="SVB Financial Group", cik="719739"),
        delisted("SIVB", "2023-03-28", name="SVB Financial Group", cik="719739"),
    ]

    (security,) = securities([traded("SIVB", "2003-09-10", "2023-03-27")], rows)

    assert described([security]) == [["SIVB 2003-09-10..2023-03-28 cik"]]
    assert security.listings[0].end_reason == "delisted"


HTZ = [
    listed("HTZ", "2006-11-16", "2016-07-01", name="HERTZ GLOBAL HOLDINGS INC COM", cik="1364479"),
    listed(
        "HTZ",
        "2016-07-05",
        "2016-10-24",
        name="HERTZ GLOBAL HOLDINGS, INC. COM (DE)",
        cik="1657853",
        composite_figi="BBG00D5SHJH6",
    ),
    listed(
        "HTZ",
        "2016-10-25",
        "2020-10-29",
        name="Hertz Global Holdings, Inc.",
        cik="1657853",
        composite_figi="BBG00D5SHJH6",
    ),
    listed(
        "HTZ",
        "2021-11-09",
        "2026-11-27",
        name="Hertz Global Holdings, Inc Common Stock",
        cik="1657853",
        composite_figi="BBG011N57109",
    ),
]
HTZ_SEGMENTS = [traded("HTZ", "2006-11-16", "2020-10-29"), traded("HTZ", "2021-11-09")]


def test_another_issuer_within_a_ticker_begins_where_prices_break() -> None:
    market = Prices({"HTZ": [Break(day("2016-07-05"), 0, 1.4)]})

    assert described(securities(HTZ_SEGMENTS, HTZ, market=market)) == [
        ["HTZ 2006-11-16..2016-07-05 cik"],
        ["HTZ 2016-07-05..2020-10-30 bars"],
        ["HTZ 2021-11-09.. unknown"],
    ]


def test_another_issuer_is_unknown_where_prices_go_on() -> None:
    assert described(securities(HTZ_SEGMENTS, HTZ)) == [
        ["HTZ 2006-11-16..2020-10-30 unknown"],
        ["HTZ 2021-11-09.. unknown"],
    ]


def test_a_spac_and_its_successor_are_two() -> None:
    rows = [
        listed("BSAQ", "2021-09-07", "2023-08-14", name="Black Spade Acquisition", cik="1851908"),
        listed("VFS", "2023-08-15", "2026-11-27", name="VinFast Auto Ltd.", cik="1913510"),
    ]
    segments = [traded("BSAQ", "2021-09-07", "2023-08-14"), traded("VFS", "2023-08-15")]

    assert described(securities(segments, rows)) == [
        ["BSAQ 2021-09-07..2023-08-15 cik"],
        ["VFS 2023-08-15.. cik"],
    ]


def renamed(*rows: Evidence, step: Step | None = None) -> list[list[str]]:
    segments = [traded("OLD", "2020-01-02", "2023-05-12"), traded("NEW", "2023-05-15")]
    market = Prices(steps={} if step is None else {("OLD", "NEW"): step})
    return described(securities(segments, rows, market=market))


BY_CIK = (
    listed("OLD", "2021-01-04", "2023-05-12", name="Old Inc.", cik="7"),
    listed("NEW", "2023-05-15", "2026-11-27", name="New Inc.", cik="7"),
)


def test_an_issuers_only_stock_keeps_its_identity_by_the_cik() -> None:
    assert renamed(*BY_CIK) == [["OLD 2020-01-02..2023-05-15 cik", "NEW 2023-05-15.. cik"]]


@pytest.mark.parametrize("step", [Step(0.3, 0.0), Step(0.0, 3.0)])
def test_a_jump_in_price_or_turnover_refutes_the_cik(step: Step) -> None:
    assert renamed(*BY_CIK, step=step) == [
        ["OLD 2020-01-02..2023-05-15 cik"],
        ["NEW 2023-05-15.. unknown"],
    ]


def test_of_an_issuer_with_two_classes_the_cik_joins_none() -> None:
    rows = [
        *BY_CIK,
        listed("OLD.B", "2021-01-04", "2026-11-27", name="Old Inc. Class B", cik="7"),
    ]
    segments = [
        traded("OLD", "2020-01-02", "2023-05-12"),
        traded("OLD.B", "2020-01-02"),
        traded("NEW", "2023-05-15"),
    ]

    assert len(securities(segments, rows)) == 3


def test_a_trusts_cik_joins_no_funds() -> None:
    rows = [
        listed("OLD", "2021-01-04", "2023-05-12", name="Gold ETF", cik="7", type="ETF"),
        listed("NEW", "2023-05-15", "2026-11-27", name="Oil ETF", cik="7", type="ETF"),
    ]

    assert len(renamed(*rows)) == 2


def test_classes_that_change_symbols_follow_their_share_class() -> None:
    rows = [
        listed("GOOG", "2004-08-19", "2014-04-02", name="Google Class A", share_class_figi="A"),
        listed("GOOG", "2014-04-03", "2026-11-27", name="Google Class C", share_class_figi="C"),
        listed("GOOGL", "2014-04-03", "2026-11-27", name="Google Class A", share_class_figi="A"),
    ]
    segments = [traded("GOOG", "2004-08-19"), traded("GOOGL", "2014-04-03")]

    assert described(securities(segments, rows)) == [
        ["GOOG 2004-08-19..2014-04-03 figi", "GOOGL 2014-04-03.. figi"],
        ["GOOG 2014-04-03.. figi"],
    ]


def test_a_figi_on_two_symbols_of_a_day_is_no_evidence_for_the_one_that_has_its_own() -> None:
    tenx = {"cik": "34956", "composite_figi": "TENX"}
    rows = [
        listed("OXIS", "2020-01-02", "2020-12-31", name="Tenax Therapeutics", **tenx),
        listed("TENX", "2021-01-04", "2026-11-27", name="Tenax Therapeutics, Inc.", **tenx),
        listed("THC", "2020-01-02", "2026-10-01", name="Tenet Healthcare", composite_figi="THC"),
        listed("THC", "2026-11-02", "2026-11-27", name="Tenet Healthcare", **tenx),
    ]
    segments = [
        traded("OXIS", "2020-01-02", "2020-12-31"),
        traded("TENX", "2021-01-04"),
        traded("THC", "2020-01-02"),
    ]

    found = securities(segments, rows)

    assert described(found)[0] == ["OXIS 2020-01-02..2021-01-04 figi", "TENX 2021-01-04.. figi"]
    assert [each.symbol for each in found[1].listings] == ["THC"]


def test_a_when_issued_line_never_joins_the_regular_one() -> None:
    rows = [
        listed("ABBVw", "2012-12-10", "2012-12-31", name="AbbVie Inc. WI", composite_figi="ABBV"),
        listed("ABBV", "2013-01-02", "2026-11-27", name="AbbVie Inc.", composite_figi="ABBV"),
    ]
    segments = [traded("ABBVw", "2012-12-10", "2012-12-31"), traded("ABBV", "2013-01-02")]

    assert len(securities(segments, rows)) == 2


def test_of_two_rows_a_day_the_neighbours_say_which_is_true() -> None:
    rows = [
        listed("CADE", "2018-12-03", name="Cadence Bancorporation", cik="1"),
        listed("CADE", "2019-01-03", name="Cadence Bank", cik="2", doubtful=True),
        listed("CADE", "2019-02-01", name="Cadence Bancorporation", cik="1"),
    ]

    (security,) = securities([traded("CADE", "2017-04-13", "2021-10-29")], rows)

    assert (security.cik, security.listings[0].evidence) == ("1", "cik")


def test_an_error_of_one_list_between_two_that_agree_changes_nothing() -> None:
    rows = [
        listed("A", "2004-01-02", name="AGILENT TECHNOLOGIES, INC", cik="1090872"),
        listed("A", "2004-02-02", name="Arconic", cik="4281"),
        listed("A", "2004-03-01", name="AGILENT TECHNOLOGIES, INC", cik="1090872"),
    ]

    assert described(securities([traded("A", "2003-09-10")], rows)) == [["A 2003-09-10.. cik"]]


def test_a_reused_symbol_is_two_after_a_gap() -> None:
    rows = [
        delisted("SNDK", "2016-05-12", name="SanDisk Corporation", cik="1000180"),
        listed_today("SNDK", name="Sandisk Corporation", cik="2023554"),
    ]
    segments = [traded("SNDK", "2003-09-10", "2016-05-11"), traded("SNDK", "2025-02-24")]

    assert len(securities(segments, rows)) == 2


def test_what_trades_rarely_is_one_where_lists_say_the_same_all_the_time() -> None:
    segments = [traded("PFDp", "2020-01-02", "2023-03-01"), traded("PFDp", "2023-05-15")]
    rows = [listed("PFDp", "2021-01-04", "2026-11-27", name="Series A", type="PFD")]

    assert described(securities(segments, rows)) == [
        ["PFDp 2020-01-02..2023-03-02 list", "PFDp 2023-05-15.. list"]
    ]


def test_todays_list_says_nothing_of_a_range_that_ended_long_before() -> None:
    rows = [listed_today("META", name="Meta Platforms, Inc.", **FB)]
    loaded = calendar(lambda each: each.year == 2021)

    (security,) = securities([traded("META", "2021-06-30", "2021-12-31")], rows, loaded=loaded)

    assert described([security])[0][0].endswith("unknown")
    assert (security.composite_figi, security.listings[0].type) == (None, "CS")


SPARSE = [traded("S", "2006-01-20", "2006-01-20"), traded("S", "2023-05-12", "2023-05-12")]


def loaded_on(*days: str) -> Calendar:
    return calendar(lambda each: str(each) in days)


def test_days_that_are_not_loaded_part_nothing_that_lists_do_not_part() -> None:
    loaded = loaded_on("2006-01-20", "2023-05-12")
    two = [
        listed("S", "2006-01-03", "2006-03-01", name="Old Mill Trust", type="ETF", cik="1"),
        listed("S", "2023-05-01", "2023-06-01", name="Platforms Inc", cik="2"),
    ]

    assert len(securities(SPARSE, loaded=loaded)) == 1
    assert len(securities(SPARSE, two, loaded=loaded)) == 2
    assert len(securities(SPARSE, overrides=[Override("S", day("2010-01-04"))], loaded=loaded)) == 2


def test_one_loaded_day_without_a_bar_parts_what_lies_years_apart() -> None:
    loaded = loaded_on("2006-01-20", "2014-06-09", "2023-05-12")

    assert len(securities(SPARSE, loaded=loaded)) == 2


def test_the_owners_word_outranks_lists_and_the_later_one_holds() -> None:
    split = Override("META", day("2022-06-09"))
    apart = Override("FB", day("2022-06-08"), ("META", day("2022-01-28")))
    together = Override("FB", day("2022-06-08"), ("META", day("2022-06-09")))

    assert described(securities(META_SEGMENTS, overrides=[together]))[0] == [
        "FB 2012-05-18..2022-06-09 owner",
        "META 2022-06-09.. owner",
    ]
    overlapping = securities(META_SEGMENTS, META_LISTS, [apart])
    assert described(overlapping) == described(securities(META_SEGMENTS, META_LISTS))
    one = Segment("A", day("2020-01-02"), day("2023-12-29"))
    cut = Override("A", day("2022-01-03"))
    join = Override("A", day("2021-12-31"), ("A", day("2022-01-03")))
    assert len(securities([one], overrides=[cut])) == 2
    assert len(securities([one], overrides=[cut, join])) == 1
    assert len(securities([one], overrides=[join, cut])) == 2
    assert len(securities(META_SEGMENTS, META_LISTS, [split])) == 3


HALTED = [traded("H", "2024-01-02", "2024-02-01"), traded("H", "2024-02-22", "2024-06-03")]


def test_a_halt_goes_on_at_the_price_before() -> None:
    assert described(securities(HALTED, [delisted("H", "2024-06-04", cik="1")])) == [
        ["H 2024-01-02..2024-06-04 cik"]
    ]


def test_after_a_gap_at_another_price_nothing_says_that_it_is_the_same() -> None:
    jump = Prices(steps={("H", "H"): Step(1.5, 0.0)})

    assert described(securities(HALTED, [delisted("H", "2024-06-04", cik="1")], market=jump)) == [
        ["H 2024-01-02..2024-02-02 unknown"],
        ["H 2024-02-22..2024-06-04 cik"],
    ]


def test_a_stock_after_a_fund_is_another_at_any_price() -> None:
    rows = [
        listed("H", "2024-01-02", "2024-01-31", name="Thematic ETF", type="ETF", cik="7"),
        listed("H", "2024-03-01", "2024-06-03", name="Platforms Inc", cik="8"),
    ]

    assert len(securities(HALTED, rows)) == 2
