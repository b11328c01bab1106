"""int8: really int8 inside the delegate, within a quantum of PyTorch's q/dq graph, and always loadable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import ActivationQuantization, Precision, QuantPlan
from converters.quantized_program import graph_module, quantize_program
from tests.converters.executorch.executorch_helpers import content, graph, int8_kinds, kinds, run
from tests.lowering_helpers import Apply, export, quantize, relative_error
from tests.lowering_models import tokens

IMAGE = (1, 16, 8, 8)


def quanta(program: ExportedProgram, x: Tensor) -> np.ndarray:
    """Differences between the delegate and PyTorch's q/dq graph, in steps of the output's scale."""
    file = content(program, Precision.INT8)
    scale = [node for node in program.graph.nodes if "quantize_per_tensor" in str(node.target)][-1].args[1]
    difference = run(file, x) - graph_module(program)(x).detach().numpy()
    return np.abs(difference) / float(scale)


SINGLE: dict[str, nn.Module] = {
    "conv": nn.Conv2d(16, 24, 3, padding=1),
    "conv relu": nn.Sequential(nn.Conv2d(16, 24, 1), nn.ReLU()),
    "conv relu6": nn.Sequential(nn.Conv2d(16, 24, 1), nn.ReLU6()),
    "conv without bias": nn.Conv2d(16, 24, 1, bias=False),
    "depthwise": nn.Conv2d(16, 16, 5, 2, 2, groups=16),
    "grouped pointwise": nn.Conv2d(16, 32, 1, groups=4),
    "linear": Apply(lambda x, f: f(x.flatten(1)), f=nn.Linear(1024, 10)),
    "hardswish": nn.Hardswish(),
    "sigmoid": nn.Sigmoid(),
    "gelu": nn.GELU(approximate="tanh"),
    "tanh": nn.Tanh(),
    "relu": Apply(lambda x: torch.relu(x)),
    "clamp": Apply(lambda x: x.clamp(-0.5, 1.5)),
    "mean": Apply(lambda x: x.mean((2, 3), keepdim=True)),
    "mean over nothing": Apply(lambda x: x[:, :, :1, :1].mean((2, 3), keepdim=True)),
    "mean of channels": Apply(lambda x: x.mean(1, keepdim=True)),
    "cat": Apply(lambda x: torch.cat([x, x], 1)),
    "slice": Apply(lambda x: x[:, 3:9, 1:, :-2]),
    "pad": Apply(lambda x: torch.nn.functional.pad(x, (0, 3, 1, 2))),
    "permute": Apply(lambda x: x.permute(0, 2, 3, 1)),
    "view": Apply(lambda x: x.view(1, 4, 4, 64)),
    "sixfold hardswish": Apply(lambda x, c: x * torch.nn.functional.relu6(x + c), c=torch.full((1, 1, 1, 1), 3.0)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_single_operations_are_int8_and_within_a_quantum(name: str) -> None:
    torch.manual_seed(1)
    x = torch.randn(IMAGE) * 2
    program = quantize(export(SINGLE[name], x), x)
    assert quanta(program, x).max() < 1.01
    file = content(program, Precision.INT8)
    assert kinds(file)["Convert"] == 2  # the float input and output
    assert set(kinds(file) - int8_kinds(file)) <= {"Convert", "StaticTranspose"}  # at the float output and input


class Residual(nn.Module):
    """Depthwise convolution and FFN with shortcuts, then squeeze-excite."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.expand, self.project = nn.Conv2d(16, 32, 1), nn.Conv2d(32, 16, 1)
        self.squeeze, self.excite = nn.Conv2d(16, 8, 1), nn.Conv2d(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.depthwise(x)
        x = x + self.project(torch.relu(self.expand(x)))
        gate = self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


def test_a_block_is_int8_throughout() -> None:
    torch.manual_seed(2)
    x = torch.randn(IMAGE)
    program = quantize(export(Residual(), x), x)
    file = content(program, Precision.INT8)
    assert int8_kinds(file) == {
        "Convert": 1,
        "Conv2d": 4,
        "DepthwiseConv2d": 1,
        "Add": 2,
        "GlobalAvgPooling2d": 1,
        "Sigmoid": 1,
        "Multiply": 1,
        "StaticReshape": 1,
        "StaticTranspose": 1,
    }
    # A code on the edge between two values may fall on either side, and the next layer carries it on.
    assert quanta(program, x).max() < 2.01
    assert (quanta(program, x) < 1.01).mean() > 0.999


def test_weights_are_stored_as_int8_per_channel() -> None:
    x = torch.randn(IMAGE)
    model = nn.Conv2d(16, 4096, 1)
    file = content(quantize(export(model, x), x), Precision.INT8)
    (weight,) = [value for value in graph(file).values.values() if value.dtype == "qcint8"]
    assert weight.shape == (4096, 1, 1, 16)
    assert weight.size == 4096 * 16
    # int8 weight, int32 bias and float32 scales of both
    assert len(file) < 4096 * (16 + 4 + 4 + 4) + 8192


def attend(x: Tensor, q: nn.Module, k: nn.Module, v: nn.Module, p: nn.Module) -> Tensor:
    keys = k(x)
    scores = (tokens(q(x)).transpose(1, 2) @ tokens(keys)).softmax(-1)
    return p((tokens(v(x)) @ scores.transpose(1, 2)).view(1, 16, 8, 8) + keys)


def test_attention_between_int8_convolutions_loads_and_agrees() -> None:
    """`keys` is read by an int8 sum and by a float product: on the stock route such programs fail while loading (0x1)."""
    torch.manual_seed(3)
    x = torch.randn(IMAGE)
    model = Apply(attend, **{name: nn.Conv2d(16, 16, 1) for name in "qkvp"})
    floats = ("aten.matmul.default", "aten.softmax.int", "aten.transpose.int", "aten.flatten.using_ints")
    program = quantize(export(model, x), x, floats=floats)
    file = content(program, Precision.INT8)
    assert int8_kinds(file)["Conv2d"] == 4
    assert int8_kinds(file)["BatchMatrixMultiply"] == 0
    assert relative_error(run(file, x), graph_module(program)(x)) < 0.05


def test_products_of_activations_are_int8_only_without_a_zero_point() -> None:
    """XNNPACK refuses to load an int8 product whose right side has a zero point."""
    torch.manual_seed(4)
    x = torch.randn(1, 8, 16)
    model = Apply(lambda x: x @ x.transpose(1, 2))
    program = export(model, x)
    for zero_point, expected in ((0, 1), (3, 0)):
        names = [node.name for node in graph_module(program).graph.nodes if node.op in ("placeholder", "call_function")]
        plan = QuantPlan(
            activations=tuple(
                ActivationQuantization(
                    tensor=name, module="", scale=0.2 if "matmul" in name else 0.03, zero_point=zero_point
                )
                for name in names
            ),
            weights=(),
            floats=(),
        )
        quantized = quantize_program(program, plan)
        file = content(quantized, Precision.INT8)
        assert int8_kinds(file)["BatchMatrixMultiply"] == expected
        assert quanta(quantized, x).max() < 1.01


def test_scales_that_xnnpack_cannot_bridge_stay_float() -> None:
    """XNNPACK refuses to load a convolution with input scale * weight scale / output scale of 256 or more."""
    x = torch.randn(IMAGE)
    program = export(nn.Conv2d(16, 4, 1), x)
    module = graph_module(program)
    names = [node.name for node in module.graph.nodes if node.op in ("placeholder", "call_function")]
    plan = QuantPlan(
        activations=tuple(
            ActivationQuantization(tensor=name, module="", scale=1e-7 if "conv" in name else 0.05, zero_point=0)
            for name in names
        ),
        weights=(),
        floats=(),
    )
    weights = quantize(program, x)
    file = content(quantize_program(program, plan), Precision.INT8)
    assert int8_kinds(file)["Conv2d"] == 0
    assert np.isfinite(run(file, x)).all()
    assert int8_kinds(content(weights, Precision.INT8))["Conv2d"] == 1


def test_equal_parameters_are_not_converted() -> None:
    x = torch.randn(IMAGE)
    program = export(Apply(lambda x: torch.relu(x[:, :8])[:, :4]), x)
    names = [node.name for node in graph_module(program).graph.nodes if node.op in ("placeholder", "call_function")]
    plan = QuantPlan(
        activations=tuple(ActivationQuantization(tensor=name, module="", scale=0.05, zero_point=3) for name in names),
        weights=(),
        floats=(),
    )
    file = content(quantize_program(program, plan), Precision.INT8)
    assert kinds(file)["Convert"] == 2
    other = replace(plan, activations=(replace(plan.activations[0], scale=0.04), *plan.activations[1:]))
    assert kinds(content(quantize_program(program, other), Precision.INT8))["Convert"] == 3


def test_the_input_is_transposed_before_it_is_quantized() -> None:
    """XNNPACK takes three times as long to transpose an int8 image of three channels a pixel at a time."""
    x = torch.randn(1, 3, 16, 16)
    file = content(quantize(export(nn.Conv2d(3, 24, 3, padding=1), x), x), Precision.INT8)
    assert [node.kind for node in graph(file).nodes][:3] == ["StaticTranspose", "Convert", "Conv2d"]


def test_an_input_that_is_read_in_packs_is_quantized_before_it_is_transposed() -> None:
    x = torch.randn(1, 3, 16, 16)
    file = content(quantize(export(nn.Conv2d(3, 8, 3, 2, 1), x), x), Precision.INT8)
    moved = ["Convert", "StaticReshape", "StaticTranspose", "StaticReshape", "Conv2d"]
    assert [node.kind for node in graph(file).nodes][:5] == moved
