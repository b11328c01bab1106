"""The variations replace what they say, and keep every weight that has a place."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from evit_mobile.models import build_model
from evit_mobile.models.complexity import count_macs, count_parameters
from evit_mobile.models.msra import CascadedGroupAttention
from evit_mobile.models.variations import replaced_blocks, vary
from evit_mobile.spec import Variation, find_spec

PAIRS = [
    ("efficientvit_m0", Variation.RELU_ATTENTION),
    ("efficientvit_m1", Variation.RELU_ATTENTION),
    ("efficientvit_b0", Variation.RELU_ACTIVATION),
    ("efficientvit_l1", Variation.RELU_ACTIVATION),
]


@pytest.mark.parametrize(("name", "variation"), PAIRS)
def test_what_is_replaced_is_gone_and_the_other_weights_stay(name: str, variation: Variation) -> None:
    spec = find_spec(name, size=(64, 64), num_classes=7)
    original = build_model(spec)
    varied = copy.deepcopy(original)
    vary(varied, variation)
    assert not any(isinstance(m, CascadedGroupAttention) for m in varied.modules())
    gone = nn.Hardswish | nn.GELU
    assert any(isinstance(m, gone) for m in original.modules()) == (variation is Variation.RELU_ACTIVATION)
    assert not any(isinstance(m, gone) for m in varied.modules())
    before, after = original.state_dict(), varied.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before.keys() & after.keys())
    assert all(key.endswith("attention_biases") for key in before.keys() - after.keys())
    assert all(".locals." in key for key in after.keys() - before.keys())
    assert after.keys() == build_model(replace(spec, variation=variation)).state_dict().keys()


@pytest.mark.parametrize(("name", "variation"), PAIRS)
def test_everything_replaced_lies_in_the_blocks_that_are_fitted(name: str, variation: Variation) -> None:
    model = build_model(find_spec(name, size=(64, 64)))
    blocks = replaced_blocks(model, variation)
    replaced = nn.Hardswish | nn.GELU | CascadedGroupAttention
    for path, module in model.named_modules():
        if isinstance(module, replaced):
            assert any(path == block or path.startswith(f"{block}.") for block in blocks), path


@pytest.mark.parametrize(("name", "variation"), PAIRS)
def test_parameters_and_macs_are_counted(name: str, variation: Variation) -> None:
    spec = replace(find_spec(name, size=(64, 96), num_classes=7), variation=variation)
    module = build_model(spec)
    assert count_parameters(spec) == sum(parameter.numel() for parameter in module.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, 3, 64, 96))
    assert count_macs(spec) == counter.get_total_flops() / 2
