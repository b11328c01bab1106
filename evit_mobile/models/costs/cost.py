"""Parameters and multiply-accumulates of the layers that models are made of."""

from __future__ import annotations

from dataclasses import dataclass

Grid = tuple[int, int]
Pair = tuple[int, int]
"""Channels or features, (in, out)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters and multiply-accumulates of one layer."""

    parameters: int
    macs: int


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
