"""MIT B0-B3, L0-L3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evit_mobile.families.architecture import ModelSpec
from evit_mobile.families.mit import MitArchitecture, SegmentationHead
from evit_mobile.models.costs.cost import Cost, Grid, convolution, depthwise, halved, linear


def costs(spec: ModelSpec) -> Iterator[Cost]:
    """The layers of models/mit.py."""
    architecture, classes = spec.architecture, spec.num_classes
    assert isinstance(architecture, MitArchitecture)
    dim = architecture.widths[0]
    grid = halved(spec.size)
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
