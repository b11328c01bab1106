"""Parameters and multiply-accumulates of a variant, from its architecture alone. Imports no torch.

Multiply-accumulates are those of convolutions, linear layers and matrix products for one image; norms, activations and
sums are left out, as in both papers' tables. Shapes: h x w a layer's output grid, n = h*w tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evit_mobile.spec import MitArchitecture, ModelSpec, MsraArchitecture, SegmentationHead, Variation

Grid = tuple[int, int]
Pair = tuple[int, int]
"""Channels or features, (in, out)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters and multiply-accumulates of one layer."""

    parameters: int
    macs: int


def count_parameters(spec: ModelSpec) -> int:
    """Number of parameters; running statistics of norms are not parameters."""
    return sum(cost.parameters for cost in costs(spec))


def count_macs(spec: ModelSpec) -> int:
    """Multiply-accumulates for one image at `spec.size`."""
    return sum(cost.macs for cost in costs(spec))


def costs(spec: ModelSpec) -> Iterator[Cost]:
    """Cost of every layer, in the order of the reference model's forward."""
    if isinstance(spec.architecture, MsraArchitecture):
        relu = spec.variation is Variation.RELU_ATTENTION
        return msra_costs(spec.architecture, spec.size, spec.num_classes, relu=relu)
    return mit_costs(spec.architecture, spec.size, spec.num_classes)


def halved(grid: Grid) -> Grid:
    """Output grid of a padded 3x3 convolution of stride 2."""
    return (grid[0] + 1) // 2, (grid[1] + 1) // 2


def convolution(channels: Pair, grid: Grid, kernel: int = 1, groups: int = 1, *, extra: int = 2) -> Cost:
    """A convolution with `extra` parameters for each output channel: 2 for a norm, 1 for a bias."""
    weights = channels[0] // groups * channels[1] * kernel**2
    return Cost(weights + extra * channels[1], weights * grid[0] * grid[1])


def depthwise(channels: int, grid: Grid, kernel: int, *, extra: int = 2) -> Cost:
    """A convolution of each channel by itself."""
    return convolution((channels, channels), grid, kernel, channels, extra=extra)


def linear(features: Pair, *, extra: int) -> Cost:
    """A linear layer with `extra` parameters beside its weights."""
    return Cost(features[0] * features[1] + extra, features[0] * features[1])


# ---- Microsoft M0-M5 ----


def msra_costs(architecture: MsraArchitecture, size: Grid, classes: int, *, relu: bool) -> Iterator[Cost]:
    """The layers of models/msra.py; with `relu`, attention as in models/relu_attention.py."""
    dim = architecture.widths[0]
    grid, channels = size, 3
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
    yield linear((dim, classes), extra=2 * dim + classes)


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


# ---- MIT B0-B3, L0-L3 ----


def mit_costs(architecture: MitArchitecture, size: Grid, classes: int) -> Iterator[Cost]:
    """The layers of models/mit.py."""
    dim = architecture.widths[0]
    grid = halved(size)
    yield convolution((3, dim), grid, 3)
    for _ in range(architecture.depths[0]):
        if architecture.large:
            yield convolution((dim, dim), grid, 3)
            yield convolution((dim, dim), grid, 3)
        else:
            yield depthwise(dim, grid, 3)
            yield convolution((dim, dim), grid)
    stage_costs = large_stage if architecture.large else base_stage
    grids = []
    for stage in range(4):
        yield from stage_costs(architecture, stage, grid)
        grid = halved(grid)
        grids.append(grid)
    match architecture.head:
        case SegmentationHead() as head:
            yield from segmentation_head(architecture, head, grids[1:], classes)
        case (hidden, features):
            yield convolution((architecture.widths[-1], hidden), grid)
            yield linear((hidden, features), extra=2 * features)  # its layer norm
            yield linear((features, classes), extra=classes)


def segmentation_head(
    architecture: MitArchitecture, head: SegmentationHead, grids: Sequence[Grid], classes: int
) -> Iterator[Cost]:
    """The head on the grids of the last three stages. Interpolation is not counted."""
    grid, hidden = grids[0], head.width * head.expansion
    for dim, own_grid in zip(architecture.widths[2:], grids, strict=True):
        yield convolution((dim, head.width), own_grid)
    for _ in range(head.depth):
        if architecture.large:
            yield convolution((head.width, hidden), grid, 3)
            yield convolution((hidden, head.width), grid)
        else:
            yield from inverted_residual(head.width, head.width, head.expansion, grid, grid, norms=True)
    expanded = head.width * (head.final_expansion or 1)
    if head.final_expansion is not None:
        yield convolution((head.width, expanded), grid)
    yield convolution((expanded, classes), grid, extra=1)


def base_stage(architecture: MitArchitecture, stage: int, grid: Grid) -> Iterator[Cost]:
    """A stage of a B variant; `grid` is its input's."""
    in_dim, dim, depth = architecture.widths[stage], architecture.widths[stage + 1], architecture.depths[stage + 1]
    attention = stage >= 2
    yield from inverted_residual(in_dim, dim, 4, grid, halved(grid), norms=not attention)
    for _ in range(depth if attention else depth - 1):
        if attention:
            yield from linear_attention(dim, architecture.head_dim, halved(grid))
        yield from inverted_residual(dim, dim, 4, halved(grid), halved(grid), norms=not attention)


def large_stage(architecture: MitArchitecture, stage: int, grid: Grid) -> Iterator[Cost]:
    """A stage of an L variant; `grid` is its input's."""
    in_dim, dim, depth = architecture.widths[stage], architecture.widths[stage + 1], architecture.depths[stage + 1]
    attention, fused = stage == 3, stage < 2
    for index in range(depth + 1):
        expansion = (6 if attention else 4) * (1 if index else 4)
        before, after = (halved(grid) if index else grid), halved(grid)
        if attention and index:
            yield from linear_attention(dim, architecture.head_dim, after)
        if fused:
            yield convolution((in_dim, in_dim * expansion), after, 3)
            yield convolution((in_dim * expansion, dim), after)
        else:
            yield from inverted_residual(in_dim, dim, expansion, before, after, norms=False)
        in_dim = dim


def inverted_residual(
    in_dim: int, dim: int, expansion: int, before: Grid, after: Grid, *, norms: bool
) -> Iterator[Cost]:
    """An MBConv from grid `before` to `after`; without `norms` the first two convolutions have a bias instead."""
    hidden, extra = in_dim * expansion, 2 if norms else 1
    yield convolution((in_dim, hidden), before, extra=extra)
    yield depthwise(hidden, after, 3, extra=extra)
    yield convolution((hidden, dim), after)


def linear_attention(dim: int, head_dim: int, grid: Grid) -> Iterator[Cost]:
    """Linear attention over two scales: per head and token two products with a (D, D) matrix and one with a vector."""
    tokens, heads = grid[0] * grid[1], dim // head_dim
    yield convolution((dim, 3 * dim), grid, extra=0)
    yield depthwise(3 * dim, grid, 5, extra=0)
    yield convolution((3 * dim, 3 * dim), grid, groups=3 * heads, extra=0)
    yield Cost(0, 2 * heads * tokens * head_dim * (2 * head_dim + 1))
    yield convolution((2 * dim, dim), grid)
