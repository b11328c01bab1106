"""A plan made for one form of a model fits another that differs in float operations, and only such a one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.contract import QuantPlan
from converters.quantized_program import graph_module, quantize_program
from evit_mobile.errors import RewriteError
from evit_mobile.quantization import make_plan, transfer_plan


class Attention(nn.Module):
    """Two convolutions around a float core."""

    def __init__(self, *, halved: bool = False, extra: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.third = (nn.Conv2d(4, 4, 1) for _ in range(3))
        self.halved, self.extra = halved, extra

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        weights = (x / 2 * 2 if self.halved else x).softmax(1)
        x = self.second(weights)
        return self.third(x + self.second(x) if self.extra else x)


def images() -> list[torch.Tensor]:
    return list(torch.randn(4, 1, 4, 6, 6, generator=torch.Generator().manual_seed(1)))


def program(module: nn.Module) -> ExportedProgram:
    return torch.export.export(module.eval().requires_grad_(False), (images()[0],))


def without_names(plan: QuantPlan) -> list[tuple[str, float, int]]:
    return [(entry.module, entry.scale, entry.zero_point) for entry in plan.activations]


def test_the_transferred_plan_is_the_one_that_calibration_would_give() -> None:
    source, target = program(Attention()), program(Attention(halved=True))
    plan = make_plan(source, images())
    transferred = transfer_plan(plan, source, target)
    calibrated = make_plan(target, images())
    assert without_names(transferred) == without_names(calibrated)
    assert transferred.weights == calibrated.weights
    assert transferred.floats == calibrated.floats != plan.floats
    x = images()[3]
    outputs = [quantize_program(*pair).module()(x) for pair in ((source, plan), (target, transferred))]
    assert torch.allclose(*outputs, atol=1e-6)


def test_another_int8_operation_is_caught() -> None:
    source, target = program(Attention()), program(Attention(extra=True))
    with pytest.raises(RewriteError, match="differ in"):
        transfer_plan(make_plan(source, images()), source, target)


def test_another_weight_is_caught() -> None:
    source, other = program(Attention()), Attention(halved=True)
    with torch.no_grad():
        other.second.weight[0, 0] += 1e-6
    with pytest.raises(RewriteError, match=r"second\.weight"):
        transfer_plan(make_plan(source, images()), source, program(other))


def test_a_plan_of_another_program_is_an_error() -> None:
    source, target = program(Attention()), program(Attention(halved=True))
    plan = make_plan(source, images())
    stray = replace(plan.activations[0], tensor="nowhere")
    with pytest.raises(KeyError, match="nowhere"):
        transfer_plan(replace(plan, activations=(stray,)), source, target)
    assert "nowhere" not in {node.name for node in graph_module(source).graph.nodes}
