"""From a spec to a module: the output that its task says, the channels that its images have, the blocks that it was pruned or varied in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from evit_mobile.families.architecture import ModelSpec, Variation
from evit_mobile.models.build import build_model, take_channels
from evit_mobile.models.layers import ConvNorm
from evit_mobile.models.msra import CascadedGroupAttention
from evit_mobile.spec import MODELS, find_spec

HEADLESS: Any = replace(MODELS["efficientvit_b0"].architecture, head=None)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (find_spec("efficientvit_m0", size=(64, 96), num_classes=5), (2, 5)),
        (find_spec("efficientvit_b0", size=(64, 96), num_classes=5), (2, 5)),
        (find_spec("efficientvit_seg_b0_cityscapes", size=(64, 96)), (2, 19, 8, 12)),
        (replace(MODELS["efficientvit_b0"], architecture=HEADLESS, size=(64, 96), num_classes=128), (2, 128, 2, 3)),
    ],
)
def test_the_output_is_what_the_task_says(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    model = build_model(spec)
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 64, 96)).shape == shape


def test_a_model_of_four_channels_takes_them() -> None:
    model = build_model(replace(find_spec("efficientvit_m0", size=(32, 32)), channels=4))
    assert model.get_submodule("patch_embed.conv1.conv").weight.shape == (8, 4, 3, 3)
    with torch.no_grad():
        assert model(torch.zeros(1, 4, 32, 32)).shape == (1, 1000)


def test_only_the_first_convolution_takes_other_channels() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(ConvNorm(3, 8, 3, 2), ConvNorm(8, 3))
    second = model[1].conv.weight.clone()
    take_channels(model, 5)
    first = model[0].conv
    assert (first.in_channels, first.weight.shape) == (5, (8, 5, 3, 3))
    assert first.weight.abs().max() <= (5 * 9) ** -0.5  # as torch draws them: within 1 / sqrt(inputs)
    assert first.weight.std() > 0
    assert torch.equal(model[1].conv.weight, second)


def test_what_is_pruned_within_blocks_is_narrower() -> None:
    spec = MODELS["efficientvit_b0"]
    hidden = (("stages.0.blocks.0.main.inverted_conv", 20),)
    with torch.device("meta"):
        model = build_model(replace(spec, architecture=replace(spec.architecture, hidden=hidden)))
    block = model.get_submodule("stages.0.blocks.0.main")
    shapes = [tuple(block.get_submodule(name).conv.weight.shape) for name in ("inverted_conv", "point_conv")]
    assert shapes == [(20, 8, 1, 1), (16, 20, 1, 1)]


def test_a_variation_is_built_as_such() -> None:
    with torch.device("meta"):
        plain = build_model(MODELS["efficientvit_m0"])
        varied = build_model(replace(MODELS["efficientvit_m0"], variation=Variation.RELU_ATTENTION))
    counts = [sum(isinstance(m, CascadedGroupAttention) for m in model.modules()) for model in (plain, varied)]
    assert counts == [6, 0]
