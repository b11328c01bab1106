"""What each block of MIT's models is said to cost, against what torch counts while it runs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evit_mobile.families.mit import MitArchitecture, SegmentationHead
from evit_mobile.models import mit
from evit_mobile.models.costs.mit import base_stage, inverted_residual, large_stage, linear_attention, segmentation_head
from tests.evit_mobile.models.costs.counted import counted, total

SMALL = MitArchitecture(widths=(4, 8, 12, 16, 32), depths=(1, 2, 2, 2, 2), head_dim=8, head=None)
LARGE = MitArchitecture(widths=(4, 8, 12, 16, 32), depths=(1, 1, 1, 2, 2), head_dim=8, head=None, large=True)


@pytest.mark.parametrize("norms", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_an_inverted_residual(norms: bool, stride: int) -> None:
    block = mit.MBConv(4, 6, stride, 3, 1e-5, nn.Hardswish, fewer_norm=not norms)
    before, after = (6, 8), (6 // stride, 8 // stride)
    assert total(inverted_residual(4, 6, 3, before, after, norms=norms)) == counted(block, torch.zeros(1, 4, *before))


def test_linear_attention_with_several_heads() -> None:
    attention = mit.LiteMLA(24, 8, 1e-5, 1e-5)
    assert total(linear_attention(24, 8, (3, 5))) == counted(attention, torch.zeros(1, 24, 3, 5))


@pytest.mark.parametrize("stage", range(4))
@pytest.mark.parametrize("architecture", [SMALL, LARGE], ids=["B", "L"])
def test_a_stage_from_a_grid_that_does_not_halve_evenly(architecture: MitArchitecture, stage: int) -> None:
    make, costs = (mit.large_stage, large_stage) if architecture.large else (mit.base_stage, base_stage)
    before, after = architecture.widths[stage], architecture.widths[stage + 1]
    module = make(stage, before, after, architecture.depths[stage + 1], architecture)
    assert total(costs(architecture, stage, (6, 9))) == counted(module, torch.zeros(1, before, 6, 9))


@pytest.mark.parametrize("final", [None, 2])
@pytest.mark.parametrize("architecture", [SMALL, LARGE], ids=["B", "L"])
def test_a_segmentation_head_on_the_grids_of_its_three_stages(architecture: MitArchitecture, final: int | None) -> None:
    head = SegmentationHead(width=8, depth=2, expansion=3, final_expansion=final)
    module = mit.SegmenterHead(head, architecture, nn.Hardswish, 5)
    grids = [(8, 12), (4, 6), (2, 3)]
    features = [torch.zeros(1, dim, *grid) for dim, grid in zip(architecture.widths[2:], grids, strict=True)]
    assert total(segmentation_head(architecture, head, grids, 5)) == counted(module, features)
