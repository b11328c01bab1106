"""Where a tensor's dimensions lie in memory.

The runtimes' convolutions want NHWC, PyTorch's graph speaks NCHW. Each value carries the order in which its logical
(PyTorch) dimensions are stored. A permute then only changes that order, and a view is free whenever the dimensions it
merges are neighbours in storage; only the rest costs a transpose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

Shape = tuple[int, ...]
Order = tuple[int, ...]

CHANNELS_LAST: Order = (0, 2, 3, 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """A logical shape and its storage: `order[i]` is the logical dimension stored at place i, outermost first."""

    shape: Shape
    order: Order

    def __post_init__(self) -> None:
        if sorted(self.order) != list(range(len(self.shape))):
            raise ValueError(f"order {self.order} is no permutation of the dimensions of {self.shape}")

    @property
    def stored(self) -> Shape:
        """The shape as stored."""
        return tuple(self.shape[dim] for dim in self.order)

    def place(self, dim: int) -> int:
        """Where logical dimension `dim` (negative: from the end) is stored."""
        return self.order.index(dim % len(self.shape))

    def permuted(self, dims: Order) -> Layout:
        """The layout after `permute(dims)`: the same memory under renamed dimensions."""
        renamed = {old: new for new, old in enumerate(dims)}
        return Layout(tuple(self.shape[dim] for dim in dims), tuple(renamed[dim] for dim in self.order))

    def same_memory(self, order: Order) -> bool:
        """True when storing in `order` would put every element where it already is."""
        return self._wide(self.order) == self._wide(order)

    def _wide(self, order: Order) -> Order:
        """`order` without the dimensions of size 1, which take no part in it."""
        return tuple(dim for dim in order if self.shape[dim] != 1)


def natural(shape: Shape) -> Layout:
    """PyTorch's own (contiguous) layout."""
    return Layout(shape, tuple(range(len(shape))))


def channels_last(shape: Shape) -> Layout:
    """NHWC storage of a logical NCHW shape."""
    return Layout(shape, CHANNELS_LAST)


@dataclass(frozen=True, slots=True)
class View:
    """What a view needs: nothing but the new layout, or first a transpose of the memory seen as `source`."""

    layout: Layout
    source: Shape = ()
    permutation: Order | None = None


def view(layout: Layout, shape: Shape) -> View:
    """How to see a tensor stored as `layout` as `shape` (same number of elements).

    Both shapes are split into common factors. The view is free when the factors of every new dimension are neighbours
    in storage and in order. Otherwise the memory is transposed so that they are, moving as little as possible.
    """
    if math.prod(layout.shape) != math.prod(shape):
        raise ValueError(f"{layout.shape} and {shape} differ in their number of elements")
    factors = common_factors(layout.shape, shape)
    if factors is None:
        permutation = None if layout.same_memory(natural(layout.shape).order) else inverse(layout.order)
        return View(natural(shape), layout.stored, permutation)
    old, new = factor_runs(layout.shape, factors), factor_runs(shape, factors)
    stored = [factor for dim in layout.order for factor in old[dim]]
    order = tuple(sorted(range(len(shape)), key=lambda dim: stored.index(new[dim][0]) if new[dim] else -1))
    wanted = [factor for dim in order for factor in new[dim]]
    if wanted == stored:
        return View(Layout(shape, order))
    source, permutation = merge_neighbours(
        tuple(factors[factor] for factor in stored), tuple(stored.index(factor) for factor in wanted)
    )
    return View(Layout(shape, order), source, permutation)


def common_factors(first: Shape, second: Shape) -> Shape | None:
    """The fewest dimensions of which both shapes are merges, sizes above 1; None where there are none (4x6 and 3x8)."""
    ends = sorted({*_trailing_products(first), *_trailing_products(second)}, reverse=True)
    if any(large % small for large, small in pairwise(ends)):
        return None
    return tuple(large // small for large, small in pairwise(ends))


def _trailing_products(shape: Shape) -> list[int]:
    return [math.prod(shape[index:]) for index in range(len(shape) + 1)]


def factor_runs(shape: Shape, factors: Shape) -> list[list[int]]:
    """For each dimension of `shape` the indices of the factors that make it up; none for a dimension of size 1."""
    runs, position = [], 0
    for size in shape:
        start, product = position, 1
        while product < size:
            product *= factors[position]
            position += 1
        runs.append(list(range(start, position)))
    return runs


def inverse(permutation: Order) -> Order:
    """The permutation that undoes `permutation`."""
    return tuple(permutation.index(place) for place in range(len(permutation)))


def merge_neighbours(source: Shape, permutation: Order) -> tuple[Shape, Order]:
    """The same transpose with fewer dimensions: those that stay neighbours in order become one."""
    runs: list[list[int]] = []
    for place in permutation:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    in_source = sorted(runs)
    sizes = tuple(math.prod(source[place] for place in run) for run in in_source)
    return sizes, tuple(in_source.index(run) for run in runs)


def broadcast_shape(first: Shape, second: Shape) -> Shape:
    """The shape of an elementwise result, by PyTorch's rule."""
    rank = max(len(first), len(second))
    pairs = zip(widen(first, rank), widen(second, rank), strict=True)
    return tuple(max(left, right) if min(left, right) == 1 else left for left, right in pairs)


def widen(shape: Shape, rank: int) -> Shape:
    """`shape` with leading dimensions of size 1 up to `rank`."""
    return (1,) * (rank - len(shape)) + shape


def widen_layout(layout: Layout, rank: int) -> Layout:
    """`layout` with leading logical dimensions of size 1, stored first."""
    added = rank - len(layout.shape)
    return Layout(widen(layout.shape, rank), (*range(added), *(dim + added for dim in layout.order)))


def reduced_layout(layout: Layout, reduced: set[int], *, keep: bool) -> Layout:
    """The layout after a reduction: dimensions of size 1, or gone."""
    if keep:
        return Layout(tuple(1 if dim in reduced else size for dim, size in enumerate(layout.shape)), layout.order)
    kept = [dim for dim in range(len(layout.shape)) if dim not in reduced]
    order = tuple(kept.index(dim) for dim in layout.order if dim in kept)
    return Layout(tuple(layout.shape[dim] for dim in kept), order)
