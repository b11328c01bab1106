"""What the tests of the rewrites share: models with random weights, and what their programs compute."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from evit_mobile.models import build_model
from evit_mobile.reference import randomise
from evit_mobile.spec import ModelSpec, Variation, find_spec

FP16_MAX = 65504.0
LIMIT = FP16_MAX / 8
TRAINED = ("efficientvit_m0", "efficientvit_b0")
SLIM_L1 = "slim l1"
"""L1 with a quarter of its channels and a third of its blocks: rewrites do the same in it, in a tenth of the time."""


def specification(name: str, size: tuple[int, int]) -> ModelSpec:
    spec = find_spec("efficientvit_l1" if name == SLIM_L1 else name, size=size, num_classes=7)
    if name != SLIM_L1:
        return spec
    slim = replace(spec.architecture, widths=(8, 16, 32, 64, 128), depths=(1, 1, 1, 2, 2), head=(256, 256))  # type: ignore[call-arg]  # MIT's
    return replace(spec, architecture=slim)


def model_and_probe(name: str, size: tuple[int, int] = (96, 96)) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    model = build_model(specification(name, size))
    randomise(model, size)
    return model, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))


def operations(module: nn.Module, probe: torch.Tensor) -> list[str]:
    return [str(node.target) for node in calls(module, probe)]


def calls(module: nn.Module, probe: torch.Tensor) -> list[torch.fx.Node]:
    program = torch.export.export(module, (probe[:1],))
    return [node for node in program.graph.nodes if node.op == "call_function"]


def random_model(name: str, size: tuple[int, int]) -> nn.Module:
    torch.manual_seed(0)
    model = build_model(specification(name, size))
    randomise(model, size)
    return model


def largest_intermediate(attention: nn.Module, x: torch.Tensor) -> float:
    """The largest magnitude of any operation's result."""
    peaks = []

    class Watcher(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> object:
            value = super().run_node(n)
            if n.op == "call_function":
                peaks.append(float(value.abs().max()))
            return value

    program = torch.export.export(attention, (x,)).module()
    assert isinstance(program, torch.fx.GraphModule)
    Watcher(program).run(x)
    return max(peaks)


def with_relu_attention(size: tuple[int, int] = (96, 96)) -> tuple[nn.Module, torch.Tensor]:
    """m0 with ReLU attention, random weights, and local convolutions that matter."""
    torch.manual_seed(0)
    model = build_model(replace(find_spec("efficientvit_m0", size=size), variation=Variation.RELU_ATTENTION))
    randomise(model, size)
    return model, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))
