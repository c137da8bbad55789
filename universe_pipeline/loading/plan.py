"""What a load asks for: what is known of the sessions goes in, a plan comes out.

Pure. Commands, assets, schedules and sensors plan here; `load_states` reads what is known.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date

from universe_pipeline.domain.sessions import sessions_before

LOOK_BACK = 10
"""Closed sessions that a daily update looks at: it makes good an outage of two weeks by itself."""


@dataclass(frozen=True, slots=True)
class SessionStates:
    """What is known of some sessions; those in no set were never asked for, or in vain."""

    committed: AbstractSet[date] = frozenset()
    quarantined: AbstractSet[date] = frozenset()
    """Committed, and kept from readers."""
    given_up: AbstractSet[date] = frozenset()
    """They failed for good, or lie outside the vendor's plan: only `retry` asks again."""
    revisitable: AbstractSet[date] = frozenset()
    """Loaded, and the vendor may still correct them."""

    def __or__(self, other: "SessionStates") -> "SessionStates":
        return SessionStates(
            self.committed | other.committed,
            self.quarantined | other.quarantined,
            self.given_up | other.given_up,
            self.revisitable | other.revisitable,
        )


UNKNOWN = SessionStates()
"""With nothing known, every session is wanted."""


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """The sessions of a load, each group in order; no session is in two of them."""

    wanted: Sequence[date] = field(default_factory=list[date])
    """To be loaded."""
    revisit: Sequence[date] = field(default_factory=list[date])
    """Loaded, and to be fetched again."""
    skipped: Sequence[date] = field(default_factory=list[date])
    """Committed, and left as they are."""
    given_up: Sequence[date] = field(default_factory=list[date])
    """Missing, and not asked for: they failed for good or lie outside the vendor's plan."""
    out_of_reach: Sequence[date] = field(default_factory=list[date])
    """Missing, and not asked for: before UNIVERSE_START_DATE."""

    @property
    def fetch(self) -> list[date]:
        """All that is asked for, in order."""
        return sorted([*self.wanted, *self.revisit])


def of_range(
    sessions: Sequence[date],
    known: SessionStates = UNKNOWN,
    *,
    start: date = date.min,
    doubtful: bool = False,
) -> SessionPlan:
    """Plan to load what `sessions` lack.

    Args:
        sessions: in order.
        known: what is known of them; left out, all are loaded again.
        start: no session before this one is asked for (UNIVERSE_START_DATE).
        doubtful: fetch the quarantined ones again.
    """
    present = known.committed - known.quarantined if doubtful else known.committed
    missing = [day for day in sessions if day not in present]
    lacking = [day for day in missing if day not in known.given_up]
    return SessionPlan(
        wanted=[day for day in lacking if day >= start],
        skipped=[day for day in sessions if day in present],
        given_up=[day for day in missing if day in known.given_up],
        out_of_reach=[day for day in lacking if day < start],
    )


def of_chosen(
    sessions: Sequence[date], chosen: Collection[date], known: SessionStates
) -> SessionPlan:
    """Plan to fetch the `chosen` ones of `sessions`, loaded or not, and no other."""
    return SessionPlan(
        wanted=[day for day in sessions if day in chosen],
        skipped=[day for day in sessions if day in known.committed and day not in chosen],
    )


def sessions_of_update(session: date, start: date, look_back: int = LOOK_BACK) -> list[date]:
    """The sessions that the update of `session` looks at for missing ones, itself the last.

    Args:
        session: a closed one.
        start: none before this one (UNIVERSE_START_DATE).
        look_back: so many.
    """
    before = sessions_before(session, look_back - 1)
    return [*(day for day in before if day >= start), session]


def of_update(
    looked_at: Sequence[date], known: SessionStates, *, start: date, revisit: int
) -> SessionPlan:
    """Plan a daily update.

    Args:
        looked_at: the sessions that are loaded where they are missing; the last is the update's.
        known: what is known of these and of the ones to revisit.
        start: no session before this one is asked for (UNIVERSE_START_DATE).
        revisit: how many sessions before the last are fetched again while they are not final.
            Earlier ones of `looked_at` are, too: they lacked updates while they were trailing, and
            one answer makes them final. 0: none.
    """
    missing = of_range(looked_at, known)
    trailing = sessions_before(looked_at[-1], revisit)
    earlier = {*looked_at[:-1], *trailing} if trailing else set[date]()
    stored = known.committed & known.revisitable
    again = sorted(day for day in earlier & stored if day >= start)
    return SessionPlan(
        wanted=missing.wanted,
        revisit=again,
        skipped=[day for day in missing.skipped if day not in again],
        given_up=missing.given_up,
    )


@dataclass(frozen=True, slots=True)
class SymbolStates:
    """What is known of some symbols over some sessions."""

    unasked: Mapping[str, Sequence[date]] = field(default_factory=dict[str, Sequence[date]])
    """Sessions by symbol that neither endpoint was asked for, in order."""
    given_up: AbstractSet[str] = frozenset()
    """Symbols that failed for good: only `retry` asks again."""
    outside_plan_until: date | None = None
    """The newest session to which the vendor's plan is known not to reach back."""


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """What a load of symbols asks for."""

    wanted: dict[str, list[date]]
    """Sessions by symbol that has any, in order."""
    given_up: list[str]
    """Symbols that lack sessions and failed for good: only `retry` asks again."""
    out_of_reach: set[date]
    """Sessions that are missing and to which the vendor's plan does not reach back."""


def of_symbols(known: SymbolStates) -> SymbolPlan:
    """Plan to ask for what neither endpoint was asked for."""
    outside = known.outside_plan_until or date.min
    reached = {
        symbol: [day for day in days if day > outside] for symbol, days in known.unasked.items()
    }
    lacking = {symbol: days for symbol, days in reached.items() if days}
    return SymbolPlan(
        wanted={symbol: days for symbol, days in lacking.items() if symbol not in known.given_up},
        given_up=sorted(lacking.keys() & known.given_up),
        out_of_reach={day for days in known.unasked.values() for day in days if day <= outside},
    )
