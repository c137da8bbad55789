from collections import Counter
from datetime import date
from itertools import pairwise

import pytest

from universe_pipeline.simulator.world import World

TODAY = date(2026, 11, 23)


def test_a_full_world_has_the_mix_of_the_real_one():
    world = World(14_000)
    active = world.reference(TODAY, active=True)
    types = Counter(listing.type for listing in active)

    assert len(active) + len(world.reference(TODAY, active=False)) == 14_000
    assert 10_400 < len(active) < 11_000
    assert 0.43 < types["CS"] / len(active) < 0.48
    assert 0.27 < types["ETF"] / len(active) < 0.33
    assert types[None] > 50
    assert {listing.exchange for listing in active} == {
        *("XNAS", "XNYS", "ARCX", "BATS", "XASE"),
        None,
    }


def test_only_a_few_tickers_are_reused_and_never_at_the_same_time():
    world = World(2_000)
    spans: dict[str, list[tuple[int, int]]] = {}
    for listing in world.listings:
        if listing.traded:
            spans.setdefault(listing.ticker, []).append((listing.first, listing.end))
    reused = {ticker: sorted(found) for ticker, found in spans.items() if len(found) > 1}

    assert 5 < len(reused) < 20
    handovers = [pair for found in reused.values() for pair in pairwise(found)]
    assert all(end <= first for (_, end), (first, _) in handovers)


def test_the_smallest_world_still_has_the_well_known_tickers():
    tickers = {listing.ticker for listing in World(50).listings}

    assert {"AAPL", "MSFT", "SPY", "QQQ", "BRK.A", "BRK.B", "BCpC", "THC", "ZVZZT"} <= tickers


@pytest.mark.parametrize("symbols", [49, 30_001, -1])
def test_an_impossible_size_is_refused_by_its_number(symbols: int):
    with pytest.raises(ValueError, match=f"has 50 to 30000 symbols, not {symbols}"):
        World(symbols)


def test_the_largest_world_does_not_run_out_of_tickers():
    assert len(World(30_000).reference(TODAY, active=True)) > 22_000
