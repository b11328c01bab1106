"""The layout algebra against NumPy: whatever is said about memory must be true of memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.lowering.layout import (
    CHANNELS_LAST,
    Layout,
    broadcast_shape,
    channels_last,
    common_factors,
    merge_neighbours,
    natural,
    view,
    widen_layout,
)

SIZES = st.sampled_from([1, 2, 3, 4, 6])


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    shape = tuple(draw(st.lists(SIZES, min_size=1, max_size=4)))
    return Layout(shape, tuple(draw(st.permutations(range(len(shape))))))


@st.composite
def layouts_and_shapes(draw: st.DrawFn) -> tuple[Layout, tuple[int, ...]]:
    """A layout and another shape with as many elements."""
    layout = draw(layouts())
    factors = [prime for size in layout.shape for prime in _primes(size)]
    factors = draw(st.permutations(factors)) if draw(st.booleans()) else factors
    cuts = sorted(draw(st.lists(st.integers(0, len(factors)), max_size=4)))
    pieces = [factors[low:high] for low, high in zip([0, *cuts], [*cuts, len(factors)], strict=True)]
    return layout, tuple(math.prod(piece) for piece in pieces)


def _primes(number: int) -> list[int]:
    return {1: [], 2: [2], 3: [3], 4: [2, 2], 6: [2, 3]}[number]


def values(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(math.prod(shape)).reshape(shape)


def stored(layout: Layout, tensor: np.ndarray) -> np.ndarray:
    return tensor.transpose(layout.order)


@given(layouts_and_shapes())
def test_a_view_finds_every_element_where_the_plan_says(case: tuple[Layout, tuple[int, ...]]) -> None:
    layout, shape = case
    tensor = values(layout.shape)
    plan = view(layout, shape)
    memory = stored(layout, tensor)
    if plan.permutation is not None:
        memory = memory.reshape(plan.source).transpose(plan.permutation)
    assert np.array_equal(memory.reshape(plan.layout.stored), stored(plan.layout, tensor.reshape(shape)))


@given(layouts(), st.data())
def test_a_permute_moves_nothing(layout: Layout, data: st.DataObject) -> None:
    dims = tuple(data.draw(st.permutations(range(len(layout.shape)))))
    tensor = values(layout.shape)
    after = layout.permuted(dims)
    assert np.array_equal(stored(after, tensor.transpose(dims)), stored(layout, tensor))


@given(layouts(), st.data())
def test_same_memory_means_the_same_bytes(layout: Layout, data: st.DataObject) -> None:
    order = tuple(data.draw(st.permutations(range(len(layout.shape)))))
    tensor = values(layout.shape)
    flat = tensor.transpose(layout.order).ravel(), tensor.transpose(order).ravel()
    assert layout.same_memory(order) == np.array_equal(*flat)


@given(st.lists(SIZES, min_size=1, max_size=5), st.data())
def test_merging_neighbours_transposes_alike(sizes: list[int], data: st.DataObject) -> None:
    permutation = tuple(data.draw(st.permutations(range(len(sizes)))))
    tensor = values(tuple(sizes))
    merged, fewer = merge_neighbours(tuple(sizes), permutation)
    assert np.array_equal(tensor.reshape(merged).transpose(fewer).ravel(), tensor.transpose(permutation).ravel())


@given(layouts(), st.integers(0, 2))
def test_widening_moves_nothing(layout: Layout, added: int) -> None:
    wide = widen_layout(layout, len(layout.shape) + added)
    tensor = values(layout.shape)
    assert np.array_equal(stored(wide, tensor.reshape(wide.shape)).ravel(), stored(layout, tensor).ravel())


@pytest.mark.parametrize(
    ("shape", "new"),
    [
        ((1, 8, 7, 7), (1, 8, 49)),  # tokens of an image
        ((1, 8, 7, 7), (1, 2, 4, 49)),  # heads of tokens
        ((1, 8, 1, 1), (1, 8)),  # a pooled vector
        ((1, 8, 14, 14), (1, 8, 2, 7, 2, 7)),  # windows
    ],
)
def test_views_of_images_are_free(shape: tuple[int, ...], new: tuple[int, ...]) -> None:
    assert view(channels_last(shape), new).permutation is None


def test_tokens_back_to_an_image_are_channels_last() -> None:
    tokens = view(channels_last((1, 8, 7, 7)), (1, 8, 49)).layout
    assert view(tokens, (1, 8, 7, 7)).layout.same_memory(CHANNELS_LAST)


def test_merging_dimensions_that_are_apart_needs_a_transpose() -> None:
    plan = view(channels_last((1, 4, 3, 5)), (1, 12, 5))
    assert plan.permutation is not None


def test_shapes_without_common_factors_fall_back_to_pytorchs_order() -> None:
    assert common_factors((4, 6), (3, 8)) is None
    assert view(natural((4, 6)), (3, 8)).permutation is None
    assert view(Layout((4, 6), (1, 0)), (3, 8)).permutation == (1, 0)


def test_a_view_keeps_the_number_of_elements() -> None:
    with pytest.raises(ValueError, match="number of elements"):
        view(natural((2, 3)), (7,))


def test_an_order_is_a_permutation() -> None:
    with pytest.raises(ValueError, match="no permutation"):
        Layout((2, 3), (0, 0))


def test_broadcasting_follows_pytorch() -> None:
    assert broadcast_shape((3, 1, 5), (4, 1)) == (3, 4, 5)
    assert broadcast_shape((), (2,)) == (2,)
