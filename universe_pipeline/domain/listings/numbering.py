"""Permanent ids: which stored security each judged one is.

A security keeps its id as long as any of its days stay its own. Where two turn out to be one, the
older id stays and the other one is merged into it; where one turns out to be two, the id stays with
the part that the security's key names. An id is never given to another security.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, count

from universe_pipeline.domain.listings.judging import Listing, Security


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of `listings`, as far as numbering asks for it."""

    security_id: int
    symbol: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Numbered:
    """Which ids the judged securities have."""

    keys: list[str]
    """The `security_key` of each judged security, in their order; new where it is not stored."""
    merged: dict[int, str]
    """Ids that are merged, and the key of the security that each turned out to be."""


def key_of(security: Security) -> str:
    """First symbol @ first session."""
    first = security.listings[0]
    return f"{first.symbol}@{first.valid_from}"


def number(
    judged: Sequence[Security],
    stored: Sequence[Stored],
    keys: Mapping[int, str],
    elsewhere: Collection[int] = (),
) -> Numbered:
    """Give each judged security the key of a stored one, or a new key.

    Args:
        judged: in the order of their first sessions.
        stored: the listings that the judged ones replace.
        keys: the key of every stored security by its id, merged ones included.
        elsewhere: ids that have listings which are not judged now.
    """
    claimed = _claimed(judged, stored, keys)
    kept = {place: min(ids) for place, ids in claimed.items()}
    found = _Keys(keys, {*kept.values(), *elsewhere})
    numbered = [
        keys[kept[place]] if place in kept else found.of(key_of(security))
        for place, security in enumerate(judged)
    ]
    merged = {
        each: numbered[place]
        for place, ids in claimed.items()
        for each in ids - {kept[place]}
        if keys[each] not in numbered
    }
    return Numbered(numbered, merged)


class _Keys:
    """Keys that are free: new ones, and those of stored securities that have no listing."""

    def __init__(self, keys: Mapping[int, str], used: Collection[int]) -> None:
        self._taken = {keys[each] for each in used}

    def of(self, wanted: str) -> str:
        """`wanted`, or the same with a number; taken from now on."""
        numbers = (f"#{number}" for number in count(2))
        key = next(
            each for each in chain([wanted], map(wanted.__add__, numbers)) if self._is_free(each)
        )
        self._taken.add(key)
        return key

    def _is_free(self, key: str) -> bool:
        return key not in self._taken


def _claimed(
    judged: Sequence[Security], stored: Iterable[Stored], keys: Mapping[int, str]
) -> dict[int, set[int]]:
    """By the place of a judged security the stored ids that are its own."""
    held: dict[str, list[tuple[Listing, int]]] = defaultdict(list)
    for place, security in enumerate(judged):
        for listing in security.listings:
            held[listing.symbol].append((listing, place))
    shared: dict[int, dict[int, date]] = defaultdict(dict)
    for each in stored:
        for listing, place in held[each.symbol]:
            if _overlaps(each, listing):
                since = max(each.valid_from, listing.valid_from)
                earliest = shared[each.security_id].setdefault(place, since)
                shared[each.security_id][place] = min(since, earliest)
    claimed: dict[int, set[int]] = defaultdict(set)
    for security_id, places in shared.items():
        claimed[_owner(keys[security_id], places, judged)].add(security_id)
    return claimed


def _overlaps(stored: Stored, listing: Listing) -> bool:
    ends = stored.valid_to or date.max, listing.valid_to or date.max
    return listing.valid_from < ends[0] and stored.valid_from < ends[1]


def _owner(key: str, places: Mapping[int, date], judged: Sequence[Security]) -> int:
    """Which of the judged securities that share days with a stored one it is."""
    symbol, _, day = key.partition("#")[0].rpartition("@")
    first = date.fromisoformat(day)
    named = [place for place in places if _holds(judged[place], symbol, first)]
    return named[0] if named else min(places, key=lambda place: (places[place], place))


def _holds(security: Security, symbol: str, day: date) -> bool:
    return any(
        each.symbol == symbol and each.valid_from <= day < (each.valid_to or date.max)
        for each in security.listings
    )
