"""Weights as indices into small tables of values (palettes), found by k-means in one dimension: the same for every format that has them.

The tables minimise the squared error of the weights of a group of output channels. In one dimension the best clusters are
intervals, so dynamic programming finds them (W. D. Fisher, "On Grouping for Maximum Homogeneity", JASA 53, 1958); here over
BINS bins of the values, then refined on the values themselves (S. Lloyd, "Least squares quantization in PCM", IEEE Trans.
Inf. Theory 28, 1982).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from converters.plan import INT8_CHANNELS

Array = np.ndarray[Any, np.dtype[Any]]

GROUP = 16
"""Most output channels that share a table."""
FEWEST_WEIGHTS = 2048
"""A smaller tensor is better off with int8 and a scale per channel: tables take room, and depthwise convolutions, most of
the small ones, lose too much (m0 at 4 bits: 10.6 dB instead of 17.6 with tables for all from 512 weights on)."""
ANOTHER_OPERATION = 512
"""Bytes that the operation, its types and a header in weight.bin take, in a Core ML package: what indices have to save to be worth it."""
BINS = 256
ITERATIONS = 20


def is_worth_a_palette(shape: tuple[int, ...]) -> bool:
    """Whether a weight of this shape is big enough."""
    return math.prod(shape) >= FEWEST_WEIGHTS


def palettized(weight: Tensor, bits: int) -> tuple[Array, Tensor]:
    """Float weights or int8 codes (O, ...) as `palettize` has them, with tables of their own type."""
    indices, tables = palettize(weight.numpy(), bits)
    return indices, torch.from_numpy(tables if weight.is_floating_point() else tables.round()).to(weight.dtype)


def coded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A float `weight` (O, ...) that is too small for a palette as int8 codes and a scale (O, 1, ...) for each channel."""
    scales = (weight.flatten(1).abs().amax(1) / INT8_CHANNELS.most).clamp_min(torch.finfo(torch.float16).tiny)
    scales = scales.view(-1, *[1] * (weight.ndim - 1))
    return (weight / scales).round().char(), scales


def palettize(weight: Array, bits: int) -> tuple[Array, Array]:
    """`weight` (O, ...) as indices of the same shape, int64, and tables (G, 1, ..., 2^bits, 1), one for each O / G channels.

    Deterministic.
    """
    groups = weight.shape[0] // math.gcd(weight.shape[0], GROUP)
    rows = weight.reshape(groups, -1).astype(np.float64)
    found = [_cluster(row, 2**bits) for row in rows]
    indices = np.stack([codes for codes, _ in found]).reshape(weight.shape)
    tables = np.stack([centres for _, centres in found])
    return indices, tables.reshape(groups, *[1] * (weight.ndim - 1), 2**bits, 1)


def repeated_values(constant: Array, widths: Sequence[int]) -> tuple[Array, Array, int] | None:
    """`constant` (d_1, ..., d_K) as indices of its shape, a table (1, ..., 1, 2^bits, 1) of the values it has, and `bits`,
    the first of `widths` that is enough: exact.

    None where it has too many different values for that to take less room.
    """
    values, indices = np.unique(constant, return_inverse=True)
    bits = next((bits for bits in widths if len(values) <= 2**bits), None)
    if bits is None or indices.size * bits / 8 + 2**bits * values.itemsize + ANOTHER_OPERATION > constant.nbytes:
        return None
    table = np.pad(values, (0, 2**bits - len(values)), "edge")
    return indices.reshape(constant.shape), table.reshape(*[1] * constant.ndim, -1, 1), bits


def _cluster(values: Array, count: int) -> tuple[Array, Array]:
    """Index of the nearest of `count` centres for each value (N,), and the centres (count,) in rising order."""
    ordered = np.sort(values)
    if len(distinct := np.unique(ordered)) <= count:
        return np.searchsorted(distinct, values), np.pad(distinct, (0, count - len(distinct)), "edge")
    sums = np.concatenate([[0], np.cumsum(ordered)])
    centres = _best_intervals(ordered, sums, count)
    for _ in range(ITERATIONS):
        ends = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], ends, [len(ordered)]])
        members = np.diff(edges)
        means = np.where(members > 0, np.diff(sums[edges]) / np.maximum(members, 1), centres)
        if np.array_equal(means, centres):
            break
        centres = means
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values), centres


def _best_intervals(ordered: Array, sums: Array, count: int) -> Array:
    """Means (count,) of the `count` intervals of bins with the least squared error; `sums` are running ones of `ordered`.

    Bin edges lie halfway between an even grid, which would leave the middle to a few bins, and quantiles, which would leave
    the tails to a few.
    """
    fractions = np.arange(1, BINS) / BINS
    edges = (np.quantile(ordered, fractions) + ordered[0] + fractions * (ordered[-1] - ordered[0])) / 2
    ends = np.unique(np.concatenate([[0], np.searchsorted(ordered, edges), [len(ordered)]]))
    total, squares = sums[ends], np.concatenate([[0], np.cumsum(ordered**2)])[ends]
    lengths = ends[:, None] - ends
    error = (squares[:, None] - squares) - (total[:, None] - total) ** 2 / np.maximum(lengths, 1)
    cost = np.where(lengths >= 0, error, np.inf)  # cost[i, j]: of the values between edges j and i as one cluster
    least, starts = cost[:, 0], []
    for _ in range(count - 1):
        candidates = cost + least
        starts.append(candidates.argmin(1))
        least = candidates.min(1)
    cuts = [len(ends) - 1]
    for start in reversed(starts):
        cuts.append(int(start[cuts[-1]]))
    bounds = ends[[0, *reversed(cuts)]]
    members = np.diff(bounds)
    means = np.where(members > 0, np.diff(sums[bounds]) / np.maximum(members, 1), ordered[0])
    return np.asarray(np.maximum.accumulate(means))  # an empty interval repeats its neighbour
