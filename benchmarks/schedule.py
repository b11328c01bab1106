"""Who is measured when: every candidate once a round, in another order each round."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def rounds(items: Sequence[Item], count: int, seed: int = 0) -> Iterator[list[Item]]:
    """`count` permutations of `items`. The order is shuffled so that nobody always runs in the wake of the same neighbour."""
    generator = random.Random(seed)
    for _ in range(count):
        yield generator.sample(items, len(items))
