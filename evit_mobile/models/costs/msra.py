"""Microsoft M0-M5."""

from __future__ import annotations

from collections.abc import Iterator

from evit_mobile.families.architecture import ModelSpec, Variation
from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models.costs.cost import Cost, Grid, convolution, depthwise, halved, linear


def costs(spec: ModelSpec) -> Iterator[Cost]:
    """The layers of models/msra.py; where the variation says so, attention as in models/relu_attention.py."""
    architecture, relu = spec.architecture, spec.variation is Variation.RELU_ATTENTION
    assert isinstance(architecture, MsraArchitecture)
    dim = architecture.widths[0]
    grid, channels = spec.size, 3
    for divisor in (8, 4, 2, 1):
        grid = halved(grid)
        yield convolution((channels, dim // divisor), grid, 3)
        channels = dim // divisor
    for stage, width in enumerate(architecture.widths):
        if stage:
            yield from convolution_pair(dim, grid)
            yield from patch_merging(dim, width, grid)
            grid = halved(grid)
            yield from convolution_pair(width, grid)
        dim = width
        for _ in range(architecture.depths[stage]):
            yield from convolution_pair(dim, grid)
            yield from cascaded_attention(architecture, stage, grid, relu=relu)
            yield from convolution_pair(dim, grid)
    yield linear((dim, spec.num_classes), extra=2 * dim + spec.num_classes)


def convolution_pair(dim: int, grid: Grid) -> Iterator[Cost]:
    """A depthwise convolution and a feed-forward network of expansion 2."""
    yield depthwise(dim, grid, 3)
    yield convolution((dim, 2 * dim), grid)
    yield convolution((2 * dim, dim), grid)


def patch_merging(dim: int, out_dim: int, grid: Grid) -> Iterator[Cost]:
    """An inverted residual of stride 2 and expansion 4 with squeeze-excite."""
    hidden = 4 * dim
    yield convolution((dim, hidden), grid)
    yield depthwise(hidden, halved(grid), 3)
    yield convolution((hidden, dim), (1, 1), extra=1)
    yield convolution((dim, hidden), (1, 1), extra=1)
    yield convolution((hidden, out_dim), halved(grid))


def cascaded_attention(architecture: MsraArchitecture, stage: int, grid: Grid, *, relu: bool) -> Iterator[Cost]:
    """Attention of `heads` slices of the channels, in windows that cover the grid."""
    dim, heads, key = architecture.widths[stage], architecture.heads[stage], architecture.key_dim
    window = min(architecture.window, *grid)
    cells = (-(-grid[0] // window) * window, -(-grid[1] // window) * window)
    value = dim // heads
    for head in range(heads):
        yield convolution((value, 2 * key + value), cells)
        yield depthwise(key, cells, architecture.kernels[head])
        if relu:
            yield Cost(0, cells[0] * cells[1] * key * (2 * value + 1))  # k.v, its product with q, and the divisor
            yield depthwise(value, cells, 5, extra=1)
        else:
            yield Cost(
                window**2, cells[0] * cells[1] * window**2 * (key + value)
            )  # bias table; q.k, its product with v
    yield convolution((dim, dim), cells)
