"""Each formula against what torch counts while it runs the layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evit_mobile.models.costs.cost import Cost, convolution, depthwise, halved, linear
from tests.evit_mobile.models.costs.counted import counted


@pytest.mark.parametrize("grid", [(1, 1), (1, 2), (7, 8), (14, 9)])
def test_a_padded_convolution_of_stride_2_halves_the_grid_rounding_up(grid: tuple[int, int]) -> None:
    assert halved(grid) == tuple(nn.Conv2d(1, 1, 3, stride=2, padding=1)(torch.zeros(1, 1, *grid)).shape[2:])


@pytest.mark.parametrize(("kernel", "groups"), [(1, 1), (3, 1), (3, 2), (5, 2)])
def test_a_convolution_with_a_norm_or_a_bias(kernel: int, groups: int) -> None:
    grid, x = (5, 7), torch.zeros(1, 4, 5, 7)
    layer = nn.Conv2d(4, 6, kernel, padding=kernel // 2, groups=groups, bias=False)
    assert convolution((4, 6), grid, kernel, groups) == counted(nn.Sequential(layer, nn.BatchNorm2d(6)), x)
    assert convolution((4, 6), grid, kernel, groups, extra=0) == counted(layer, x)
    biased = nn.Conv2d(4, 6, kernel, padding=kernel // 2, groups=groups)
    assert convolution((4, 6), grid, kernel, groups, extra=1) == counted(biased, x)


def test_a_depthwise_convolution_has_one_kernel_a_channel() -> None:
    layer = nn.Conv2d(6, 6, 5, padding=2, groups=6)
    assert depthwise(6, (3, 4), 5, extra=1) == counted(layer, torch.zeros(1, 6, 3, 4))
    assert depthwise(6, (3, 4), 5) == Cost(6 * 25 + 2 * 6, 6 * 25 * 12)


def test_a_linear_layer_says_what_it_has_beside_its_weights() -> None:
    assert linear((8, 3), extra=3) == counted(nn.Linear(8, 3), torch.zeros(1, 8))
    assert linear((8, 3), extra=0) == Cost(24, 24)
