"""For all bars and lists: no overlap, no join without evidence, ids that stay."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from universe_pipeline.domain.listings.evidence import Basis, Evidence, Source
from universe_pipeline.domain.listings.judging import Listing, Override, Security
from universe_pipeline.domain.listings.numbering import Stored, number
from universe_pipeline.domain.listings.segments import PAUSE, Segment
from universe_pipeline.domain.sessions import all_sessions, sessions_between
from universe_pipeline_tests.support.hypothesis_profile import examples
from universe_pipeline_tests.support.identities import Prices, calendar, securities

SESSIONS = sessions_between(date(2022, 1, 3), date(2023, 12, 29))
SYMBOLS = ("A", "B", "C", "Aw")

texts = st.sampled_from((None, "x", "y"))
places = st.integers(0, len(SESSIONS) - 1)


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    """Of each symbol, over `PAUSE` sessions apart."""
    found: list[Segment] = []
    for symbol in SYMBOLS:
        bounds = sorted(draw(st.lists(places, max_size=6, unique=True)))
        last = -PAUSE - 2
        for first, until in zip(bounds[::2], bounds[1::2], strict=False):
            if first - last > PAUSE + 1:
                found.append(Segment(symbol, SESSIONS[first], SESSIONS[until]))
                last = until
    return found


@st.composite
def rows(draw: st.DrawFn) -> Evidence:
    """One statement of any list."""
    first, last = sorted((draw(places), draw(places)))
    source = draw(st.sampled_from(list(Source)))
    return Evidence(
        draw(st.sampled_from(SYMBOLS)),
        SESSIONS[first],
        SESSIONS[first] if source is Source.DELISTED_LIST else SESSIONS[last],
        source,
        name=draw(st.sampled_from((None, "Alpha Inc", "Beta Corp"))),
        type=draw(st.sampled_from((None, "CS", "ETF"))),
        cik=draw(texts),
        composite_figi=draw(texts),
        share_class_figi=draw(texts),
        doubtful=draw(st.booleans()),
    )


evidence = st.lists(rows(), max_size=12)
joins = st.builds(
    Override,
    st.sampled_from(SYMBOLS),
    places.map(SESSIONS.__getitem__),
    st.none() | st.tuples(st.sampled_from(SYMBOLS), places.map(SESSIONS.__getitem__)),
)


def days(listing: Listing) -> tuple[date, date]:
    return listing.valid_from, listing.valid_to or date.max


@examples(300)
@given(segments(), evidence, st.lists(joins, max_size=3))
def test_no_two_listings_of_a_symbol_or_of_a_security_share_a_day(
    held: list[Segment], said: list[Evidence], overrides: list[Override]
) -> None:
    found = securities(held, said, overrides)

    by_symbol: dict[str, list[tuple[date, date]]] = defaultdict(list)
    for security in found:
        for listing in security.listings:
            by_symbol[listing.symbol].append(days(listing))
        in_order = [days(listing) for listing in security.listings]
        assert all(before[1] <= after[0] for before, after in pairwise(in_order))
    for spans in by_symbol.values():
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(spans)))


@examples(300)
@given(segments(), evidence, st.lists(joins, max_size=3))
def test_every_bar_has_one_listing(
    held: list[Segment], said: list[Evidence], overrides: list[Override]
) -> None:
    found = [each for one in securities(held, said, overrides) for each in one.listings]

    for segment in held:
        for day in sessions_between(segment.first, segment.last):
            covering = [
                each
                for each in found
                if each.symbol == segment.symbol and days(each)[0] <= day < days(each)[1]
            ]
            assert len(covering) == 1


@examples(200)
@given(segments())
def test_without_evidence_every_segment_is_unknown_and_its_own_security(
    held: list[Segment],
) -> None:
    found = securities(held, market=Prices(otherwise=None))

    assert len(found) == len(held)
    assert {each.evidence for one in found for each in one.listings} <= {Basis.UNKNOWN}


@examples(300)
@given(segments(), evidence)
def test_symbols_are_joined_only_where_an_identifier_agrees(
    held: list[Segment], said: list[Evidence]
) -> None:
    for security in securities(held, said):
        symbols = {each.symbol for each in security.listings}
        named = [
            {
                value
                for row in said
                if row.symbol == symbol
                for value in (row.cik, row.composite_figi, row.share_class_figi)
                if value
            }
            for symbol in symbols
        ]
        assert len(symbols) == 1 or all(
            any(mine & theirs for theirs in named if theirs is not mine) for mine in named
        )
        assert len(symbols) == 1 or "Aw" not in symbols


@examples(200)
@given(segments(), evidence, st.randoms(use_true_random=False))
def test_the_order_in_which_evidence_came_does_not_matter(
    held: list[Segment], said: list[Evidence], order: object
) -> None:
    shuffled, turned = list(said), list(held)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    order.shuffle(turned)  # type: ignore[attr-defined]
    unique = {(row.symbol, row.source, row.first_on): row for row in sorted(said, key=repr)}
    rows_of = [row for row in shuffled if unique[row.symbol, row.source, row.first_on] is row]

    assert securities(turned, rows_of) == securities(held, list(unique.values()))


def keep(found: Sequence[Security], keys: list[str], ids: dict[str, int]) -> list[Stored]:
    """Store judged securities under their keys; new keys get the next ids."""
    for key in keys:
        ids.setdefault(key, len(ids) + 1)
    return [
        Stored(ids[key], each.symbol, each.valid_from, each.valid_to)
        for key, security in zip(keys, found, strict=True)
        for each in security.listings
    ]


@examples(300)
@given(segments(), st.lists(evidence, min_size=1, max_size=4))
def test_ids_stay_while_evidence_comes_in(
    held: list[Segment], batches: list[list[Evidence]]
) -> None:
    ids: dict[str, int] = {}
    before: list[Stored] = []
    said: list[Evidence] = []
    for batch in batches:
        said += batch
        for _ in range(2):
            found = securities(held, said)
            numbered = number(found, before, {number_: key for key, number_ in ids.items()})
            assert len(set(numbered.keys)) == len(found)
            after = keep(found, numbered.keys, ids)
            if _ == 1:
                assert (after, numbered.merged) == (before, {})
            before = after


@examples(200)
@given(segments(), evidence, st.data())
def test_ids_do_not_depend_on_the_order_of_loading(
    held: list[Segment], said: list[Evidence], data: st.DataObject
) -> None:
    """The whole is judged the same after any part of it, and no id is lost but by a merger."""
    part = [each for each in held if data.draw(st.booleans())]
    ids: dict[str, int] = {}
    first = securities(part, said)
    before = keep(first, number(first, [], {}).keys, ids)
    found = securities(held, said)
    numbered = number(found, before, {number_: key for key, number_ in ids.items()})
    after = keep(found, numbered.keys, ids)

    gone = set(numbered.merged)
    assert {each.security_id for each in before} - gone <= {each.security_id for each in after}
    assert found == securities(held, said)


def test_a_session_is_a_place_of_the_calendar() -> None:
    assert all_sessions()[calendar().place(SESSIONS[0])] == SESSIONS[0]
    assert calendar().between(SESSIONS[0], SESSIONS[0] + timedelta(days=1)) == 0
