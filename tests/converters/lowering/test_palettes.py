"""Palettes minimise their error, small weights keep a scale for each channel, and what repeats a few values loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.lowering.palettes import GROUP, coded, is_worth_a_palette, palettize, palettized, repeated_values

WIDTHS = (1, 2, 4, 6, 8)


def restored(indices: np.ndarray, tables: np.ndarray) -> np.ndarray:
    groups = tables.reshape(tables.shape[0], -1)
    rows = indices.reshape(len(groups), -1)
    return np.stack([table[row] for table, row in zip(groups, rows, strict=True)]).reshape(indices.shape)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), channels=st.integers(1, 40), bits=st.sampled_from([1, 4, 6]))
def test_every_weight_gets_the_nearest_entry_of_its_table(seed: int, channels: int, bits: int) -> None:
    weight = np.random.default_rng(seed).standard_t(3, (channels, 5, 1, 1))
    indices, tables = palettize(weight, bits)
    assert indices.shape == weight.shape
    assert tables.shape[1:] == (1, 1, 1, 2**bits, 1)
    per_table = channels // tables.shape[0]
    assert channels % tables.shape[0] == 0
    assert per_table <= GROUP
    for channel in range(channels):
        table = tables[channel // per_table].flatten()
        nearest = np.abs(weight[channel].flatten()[:, None] - table).min(1)
        error = np.abs(weight[channel] - table[indices[channel]]).flatten()
        np.testing.assert_allclose(error, nearest, atol=1e-12)


def test_few_values_are_kept_exactly() -> None:
    values = np.random.default_rng(0).normal(size=16)
    weight = np.random.default_rng(1).choice(values, (16, 64))
    np.testing.assert_allclose(restored(*palettize(weight, 4)), weight, atol=1e-12)


def least_squared_error(values: np.ndarray, count: int) -> float:
    """That of the best `count` centres, by dynamic programming over the sorted values."""
    ordered = np.sort(values)
    sums, squares = (np.concatenate([[0], np.cumsum(ordered**power)]) for power in (1, 2))
    lengths = np.arange(len(ordered) + 1)[:, None] - np.arange(len(ordered) + 1)
    inside = (squares[:, None] - squares) - (sums[:, None] - sums) ** 2 / np.maximum(lengths, 1)
    cost = np.where(lengths >= 0, inside, np.inf)  # cost[end, start] of one cluster
    best = cost[:, 0]
    for _ in range(count - 1):
        best = (cost + best).min(1)
    return float(best[-1])


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_the_error_is_close_to_the_least_possible(bits: int, seed: int) -> None:
    weight = np.random.default_rng(seed).standard_t(5, (1, 400))
    error = restored(*palettize(weight, bits)) - weight
    assert (error**2).sum() <= 1.05 * least_squared_error(weight[0], 2**bits)


def test_constant_weights_have_a_palette() -> None:
    weight = np.full((16, 128), 0.25)
    np.testing.assert_array_equal(restored(*palettize(weight, 4)), weight)


def test_small_tensors_are_left_alone() -> None:
    assert is_worth_a_palette((64, 32, 1, 1))
    assert not is_worth_a_palette((64, 1, 5, 5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_tables_have_the_type_of_what_they_replace(dtype: torch.dtype) -> None:
    weight = (20 * torch.randn(32, 64, generator=torch.Generator().manual_seed(0))).to(dtype)
    indices, tables = palettized(weight, 4)
    assert tables.dtype is dtype
    assert indices.max() < 16
    exact = restored(*palettize(weight.numpy(), 4))
    nearest = exact if dtype is torch.float32 else exact.round()
    np.testing.assert_array_equal(restored(indices, tables.numpy()), nearest.astype(tables.numpy().dtype))


def test_a_small_weight_has_codes_and_a_scale_for_each_channel_that_fp16_holds() -> None:
    weight = torch.tensor([[1.0, -0.5], [100.0, 3.0], [0.0, 0.0]]).reshape(3, 2, 1, 1)
    codes, scales = coded(weight)
    assert (codes.dtype, codes.shape, scales.shape) == (torch.int8, weight.shape, (3, 1, 1, 1))
    assert (abs(codes * scales - weight) <= 0.5 * scales).all()
    assert codes[:2].abs().amax((1, 2, 3)).tolist() == [127, 127]
    assert (scales >= torch.finfo(torch.float16).tiny).all()


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    different=st.integers(1, 300),
    seed=st.integers(0, 2**16),
)
def test_nothing_is_lost(shape: list[int], different: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    constant = random.choice(random.standard_normal(different).astype(np.float16), shape)
    found = repeated_values(constant, WIDTHS)
    if found is None:
        return
    indices, table, bits = found
    np.testing.assert_array_equal(table.flatten()[indices], constant)
    assert table.shape == (*[1] * len(shape), 2**bits, 1)
    assert indices.max() < 2**bits
    assert indices.size * bits / 8 + table.nbytes < constant.nbytes


def test_a_position_bias_is_worth_it_and_a_small_or_a_varied_constant_is_not() -> None:
    offsets = np.abs(np.arange(7)[:, None] - np.arange(7))  # of rows, or of columns
    bias = (offsets[:, None, :, None] * 7 + offsets[None, :, None, :]).reshape(1, 49, 49).astype(np.float16)
    found = repeated_values(bias, WIDTHS)
    assert found is not None
    assert found[2] == 6
    assert repeated_values(bias[:, :8, :8], WIDTHS) is None
    assert repeated_values(np.arange(2401, dtype=np.float16).reshape(1, 49, 49), WIDTHS) is None
