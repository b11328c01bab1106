from __future__ import annotations

from collections import Counter
from itertools import pairwise

from benchmarks.schedule import rounds

ITEMS = ["a", "b", "c", "d", "e"]


def test_each_round_has_everyone_once() -> None:
    orders = list(rounds(ITEMS, 20))
    assert len(orders) == 20
    assert all(sorted(order) == ITEMS for order in orders)


def test_nobody_keeps_a_place_or_a_predecessor() -> None:
    orders = list(rounds(ITEMS, 100))
    for place in range(len(ITEMS)):
        assert max(Counter(order[place] for order in orders).values()) < 40
    pairs = Counter(pair for order in orders for pair in pairwise(order))
    assert len(pairs) == 20
    assert max(pairs.values()) < 40  # 20 on average


def test_the_seed_decides_the_order() -> None:
    assert list(rounds(ITEMS, 5, seed=1)) == list(rounds(ITEMS, 5, seed=1))
    assert list(rounds(ITEMS, 5, seed=1)) != list(rounds(ITEMS, 5, seed=2))
