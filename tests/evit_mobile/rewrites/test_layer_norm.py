"""Outputs of one size before layer norm."""

from __future__ import annotations

import torch
from torch import nn

from evit_mobile.models.mit import ClassifierHead
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.layer_norm import EvenLinear, rewrite_layer_norm
from evit_mobile.spec import find_spec


def test_outputs_before_layer_norm_have_one_size() -> None:
    """Planted: rows 0.01 to 100 times as large as they were, one of them zeros, and a common offset."""
    torch.manual_seed(0)
    head = (
        ClassifierHead(8, (16, 32), find_spec("efficientvit_b0").architecture, nn.Hardswish, 5)
        .eval()
        .requires_grad_(False)
    )
    linear = head.classifier[0]
    linear.weight.mul_(torch.logspace(-2, 2, 32)[:, None]).add_(0.5)
    probe = torch.randn(256, 8, 4, 4)
    expected, before = head(probe), outputs_of(linear, head, probe)
    model = nn.Sequential(head)
    assert rewrite_layer_norm(model, probe) == 1
    after = outputs_of(head.classifier[0].even, head, probe)
    assert relative_error(model(probe), expected) < 1e-5
    assert spread(before) > 10
    assert spread(after) < 3


def test_a_row_of_zeros_before_layer_norm_stays_one() -> None:
    linear = nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        linear.weight[1] = 0
    x = torch.randn(2, 4)
    assert torch.allclose(EvenLinear(linear)(x), linear(x), atol=1e-6)


def outputs_of(layer: nn.Module, head: nn.Module, probe: torch.Tensor) -> torch.Tensor:
    """What a layer gives when the head sees the probe."""
    outputs: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda *arguments: outputs.append(arguments[2]))
    head(probe)
    handle.remove()
    return outputs[0]


def spread(outputs: torch.Tensor) -> float:
    """Root mean square of the largest channel over that of the smallest."""
    sizes = outputs.square().mean(0).sqrt()
    return float((sizes.max() / sizes.min()).detach())
