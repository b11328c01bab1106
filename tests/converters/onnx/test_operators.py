"""Every operator against PyTorch, in the reference evaluator of the package onnx, which is no runtime's."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

pytest.importorskip("onnx", reason="the extra onnx is not installed")

from converters.contract import Metadata, Precision
from converters.errors import ToolchainError
from converters.interface import INPUT
from converters.onnx.lower import to_bytes
from converters.onnx.operators import OPERATORS
from tests.lowering_helpers import Apply, export, quantize

METADATA = Metadata(description="a test")
X = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
W = torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(1))
V = torch.randn(6, generator=torch.Generator().manual_seed(2))
SQUARE = V.outer(V)

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "add a number": lambda x: x + 2,
    "add a tensor": lambda x: x + x.mean(1, keepdim=True),
    "amax": lambda x: x.amax((2, 3)),
    "bmm": lambda x: torch.bmm(x.flatten(0, 1), x.flatten(0, 1)),
    "cat": lambda x: torch.cat([x, x * 2], 1),
    "clamp": lambda x: x.clamp(-0.5, 0.25),
    "clamp from above": lambda x: x.clamp(max=0.25),
    "clamp_min": lambda x: x.clamp_min(0.25),
    "conv2d": lambda x: F.conv2d(x, W, V[:4], stride=(2, 1), padding=(1, 2)),
    "conv2d of groups": lambda x: F.conv2d(x, W[:, :1], groups=4, dilation=2, padding=2),
    "div": lambda x: x / (x.abs() + 1),
    "exp": torch.exp,
    "flatten": lambda x: x.flatten(1, 2),
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hardswish": F.hardswish,
    "hardtanh": lambda x: F.hardtanh(x, -0.25, 0.5),
    "layer_norm": lambda x: F.layer_norm(x, (6, 6), SQUARE, SQUARE.T.contiguous(), 1e-3),
    "linear of rank 4": lambda x: F.linear(x, SQUARE[:3], V[:3]),
    "linear without a bias": lambda x: F.linear(x, SQUARE[:3]),
    "linear of rank 2": lambda x: F.linear(x[:, :1].reshape(6, 6), SQUARE[:3], V[:3]),
    "log": lambda x: (x.abs() + 1).log(),
    "matmul": lambda x: x @ x.transpose(-1, -2),
    "maximum": lambda x: torch.maximum(x, -x),
    "mean": lambda x: x.mean((2, 3)),
    "minimum": lambda x: torch.minimum(x, x * 2),
    "neg": lambda x: -x,
    "pad": lambda x: F.pad(x, (1, 2, 3, 0)),
    "permute": lambda x: x.permute(0, 2, -1, 1),
    "pow": lambda x: x**3,
    "relu": torch.relu,
    "relu6": lambda x: F.relu6(x * 9),
    "reshape": lambda x: x.reshape(2, 2, -1),
    "rsqrt": lambda x: (x.abs() + 1).rsqrt(),
    "rsub": lambda x: 1 - x,
    "sigmoid": torch.sigmoid,
    "slice": lambda x: x[:, 1:-1, ::2],
    "slice from the end": lambda x: x[:, -3:],
    "softmax of channels": lambda x: x.softmax(1),
    "softmax": lambda x: x.softmax(-1),
    "sqrt": lambda x: x.abs().sqrt(),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "sub": lambda x: x - 0.5,
    "sum": lambda x: x.sum(2, keepdim=True),
    "t": lambda x: x[:, :1].reshape(6, 6).t(),
    "tanh": torch.tanh,
    "unsqueeze": lambda x: x.unsqueeze(2),
}


def computed(
    onnx: ModuleType, program: torch.export.ExportedProgram, precision: Precision, x: Tensor = X
) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator

    model = onnx.ModelProto.FromString(to_bytes(program, precision, METADATA))
    onnx.checker.check_model(model, full_check=True)
    (result,) = ReferenceEvaluator(model).run(None, {INPUT: x.numpy()})
    return np.asarray(result)


@pytest.fixture(scope="module")
def results() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By operator: what the file gives, and PyTorch; all are in one file, since exporting takes longer than running."""
    import onnx

    program = export(Apply(lambda x: torch.cat([one(x).flatten() for one in FUNCTIONS.values()])), X)
    found = computed(onnx, program, Precision.FP32)
    expected = [one(X).flatten().numpy() for one in FUNCTIONS.values()]
    parts = np.split(found, np.cumsum([len(part) for part in expected])[:-1])
    return dict(zip(FUNCTIONS, zip(parts, expected, strict=True), strict=True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_operator_is_pytorch_s(name: str, results: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    found, expected = results[name]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: torch.add(x, x, alpha=2), "alpha=2"),
        (lambda x: F.conv2d(x, x[:, :, :3, :3].reshape(4, 1, 3, 3), groups=4), "computed parameter"),
        (lambda x: x[:, :1].expand(1, 4, 6, 6) * 1, r"from \(1, 1, 6, 6\) to \(1, 4, 6, 6\)"),
        (lambda x: torch.cumsum(x, 1), "cumsum"),
    ],
)
def test_what_has_no_form_is_named(function: Callable[[Tensor], Tensor], said: str) -> None:
    with pytest.raises(ToolchainError, match=said):
        to_bytes(export(Apply(function), X), Precision.FP32, METADATA)


def test_every_row_is_one_of_pytorch_s_operators() -> None:
    import torch.ao.quantization.fx._decomposed  # registers the quantized_decomposed operators

    for name in OPERATORS:
        namespace, operator, overload = name.split(".")
        assert hasattr(getattr(getattr(torch.ops, namespace), operator), overload), name


def layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Flatten())


def nodes_of(onnx: ModuleType, program: torch.export.ExportedProgram) -> tuple[list[Any], dict[str, np.ndarray]]:
    model = onnx.ModelProto.FromString(to_bytes(program, Precision.INT8, METADATA))
    return list(model.graph.node), {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}


def test_an_int8_file_gives_the_plan_s_codes(onnx: ModuleType) -> None:
    program = quantize(export(layers(), X), X)
    *_, last = (node for node in program.graph.nodes if "quantize_per_tensor" in str(node.target))
    found = computed(onnx, program, Precision.INT8)
    quanta = np.abs(found - program.module()(X).detach().numpy()) / last.args[1]
    assert quanta.max() < 1.01
    assert (quanta > 0.5).mean() < 0.05


def test_a_relu_is_the_lowest_code_of_what_follows_it(onnx: ModuleType) -> None:
    nodes, stored = nodes_of(onnx, quantize(export(layers(), X), X))
    assert not [node for node in nodes if node.op_type == "Relu"]
    (convolution, _) = (node for node in nodes if node.op_type == "Conv")
    (quantizing,) = (node for node in nodes if convolution.output[0] in node.input)
    assert (quantizing.op_type, stored[quantizing.input[2]].item()) == ("QuantizeLinear", -128)


def test_a_relu_that_others_read_too_stays(onnx: ModuleType) -> None:
    x = X.abs() + 0.1  # so that its lowest code is not 0's
    program = quantize(export(Apply(lambda x: (lambda y: torch.cat([y.relu(), y.relu().sigmoid()]))(x * 2)), x), x)
    found = computed(onnx, program, Precision.INT8, x)
    np.testing.assert_allclose(found, program.module()(x).numpy(), atol=0.05)
