"""Permanent ids: they outlive new evidence, new bars and changes of mind."""

from universe_pipeline.domain.listings.evidence import Basis
from universe_pipeline.domain.listings.judging import Listing, Security
from universe_pipeline.domain.listings.numbering import Stored, number
from universe_pipeline_tests.support.identities import day


def security(*held: str) -> Security:
    """A security whose listings are given as `FB 2012-05-18 2022-06-09`."""
    parts = (each.split() for each in held)
    listings = [
        Listing(
            symbol,
            "",
            "CS",
            None,
            day(first),
            day(until) if until != "-" else None,
            None,
            Basis.LIST,
        )
        for symbol, first, until in parts
    ]
    return Security(tuple(listings), None, None, None)


FB, META = security("FB 2012-05-18 2022-06-09"), security("META 2022-06-09 -")
BOTH = security("FB 2012-05-18 2022-06-09", "META 2022-06-09 -")
KEYS = {7: "FB@2012-05-18", 9: "META@2022-06-09"}


def stored(*rows: tuple[int, str]) -> list[Stored]:
    """Stored listings, as `security` has them."""
    found: list[Stored] = []
    for security_id, held in rows:
        (each,) = security(held).listings
        found.append(Stored(security_id, each.symbol, each.valid_from, each.valid_to))
    return found


APART = stored((7, "FB 2012-05-18 2022-06-09"), (9, "META 2022-06-09 -"))
TOGETHER = stored((7, "FB 2012-05-18 2022-06-09"), (7, "META 2022-06-09 -"))


def test_a_new_security_is_named_after_its_first_session() -> None:
    assert number([FB, META], [], {}).keys == ["FB@2012-05-18", "META@2022-06-09"]


def test_what_was_judged_before_keeps_its_key() -> None:
    earlier = security("FB 2010-01-04 2022-06-09")

    assert number([earlier, META], APART, KEYS).keys == ["FB@2012-05-18", "META@2022-06-09"]


def test_two_that_are_one_keep_the_older_id_and_name_the_other() -> None:
    found = number([BOTH], APART, KEYS)

    assert (found.keys, found.merged) == (["FB@2012-05-18"], {9: "FB@2012-05-18"})


def test_one_that_is_two_leaves_its_id_to_the_part_that_its_key_names() -> None:
    found = number([FB, META], TOGETHER, {7: "META@2022-06-09"})

    assert (found.keys, found.merged) == (["FB@2012-05-18", "META@2022-06-09"], {})


def test_a_merged_one_that_is_parted_again_has_its_id_again() -> None:
    found = number([FB, META], TOGETHER, KEYS)

    assert (found.keys, found.merged) == (["FB@2012-05-18", "META@2022-06-09"], {})


def test_a_key_that_another_security_has_gets_a_number() -> None:
    found = number([META], [], KEYS, elsewhere={9})

    assert found.keys == ["META@2022-06-09#2"]
