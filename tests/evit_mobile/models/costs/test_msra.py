"""What each block of Microsoft's models is said to cost, against what torch counts while it runs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evit_mobile.families.architecture import ModelSpec, Variation
from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models import msra
from evit_mobile.models.build import build_model
from evit_mobile.models.costs.msra import cascaded_attention, convolution_pair, costs, patch_merging
from evit_mobile.models.relu_attention import ReluCascadedAttention
from tests.evit_mobile.models.costs.counted import counted, total

SMALL = MsraArchitecture(widths=(16, 24, 32), depths=(1, 1, 2), heads=(2, 3, 4), kernels=(5, 3, 3, 3), key_dim=4)


def test_the_convolutions_beside_an_attention() -> None:
    assert total(convolution_pair(6, (4, 5))) == counted(msra.convolution_pair(6), torch.zeros(1, 6, 4, 5))


def test_downsampling_with_squeeze_excite() -> None:
    assert total(patch_merging(6, 10, (5, 7))) == counted(msra.PatchMerging(6, 10), torch.zeros(1, 6, 5, 7))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("grid", [(7, 7), (9, 15), (3, 8)])
@pytest.mark.parametrize("stage", [0, 1])
def test_attention_in_the_windows_that_cover_a_grid(stage: int, grid: tuple[int, int], relu: bool) -> None:
    """One that fits, one with padding at both ends, one narrower than a window."""
    dim, heads = SMALL.widths[stage], SMALL.heads[stage]
    module = msra.LocalWindowAttention(dim, SMALL.key_dim, heads, min(SMALL.window, *grid), SMALL.kernels)
    if relu:
        module.attn = ReluCascadedAttention(module.attn)
    said = total(cascaded_attention(SMALL, stage, grid, relu=relu))
    measured = counted(module, torch.zeros(1, dim, *grid))
    assert (said.parameters, said.macs) == (measured.parameters, measured.macs)


@pytest.mark.parametrize("variation", [None, Variation.RELU_ATTENTION])
def test_a_whole_model_is_its_layers_one_after_the_other(variation: Variation | None) -> None:
    spec = ModelSpec(name="small", architecture=SMALL, size=(64, 96), num_classes=5, variation=variation)
    module: nn.Module = build_model(spec)
    assert total(costs(spec)) == counted(module, torch.zeros(1, 3, 64, 96))
