"""Linear layers against PyTorch, in float and in int8 with an int32 bias."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from converters.errors import ToolchainError
from converters.lowering.emit.linear import linear
from converters.lowering.values import Constant, Quantization, Value
from tests.converters.lowering.numpy_runtime import NumpyEmitter, Stored, logical, value_of
from tests.lowering_nodes import Nodes

SEED = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(3, 4, generator=SEED)
BIAS = torch.tensor([0.5, -1.0, 2.0])
SCALES = (0.5, 0.25, 0.125)
CODES = torch.randint(-127, 128, (3, 4), generator=SEED, dtype=torch.int8)
INT8_WEIGHT = Constant(CODES * torch.tensor(SCALES)[:, None], CODES, Quantization(scales=SCALES))


def layer(
    emitter: NumpyEmitter, x: Tensor, value: Value[Stored], weight: Constant, bias: Constant | None
) -> tuple[Nodes, object]:
    nodes = Nodes()
    source, matrix = nodes.given(x), nodes.given(weight.value, "weight")
    emitter.bind(source, value)
    emitter.bind(matrix, weight)
    addend = None
    if bias is not None:
        addend = nodes.given(bias.value, "bias")
        emitter.bind(addend, bias)
    return nodes, nodes.call("aten.linear.default", source, matrix, addend)


@pytest.mark.parametrize("shape", [(1, 4), (2, 5, 4), (1, 2, 3, 4)])
@pytest.mark.parametrize("biased", [True, False])
def test_a_float_layer_is_pytorchs(shape: tuple[int, ...], biased: bool) -> None:
    emitter, x = NumpyEmitter(), torch.randn(shape, generator=SEED)
    _, node = layer(emitter, x, value_of(x), Constant(WEIGHT), Constant(BIAS) if biased else None)
    linear(emitter, node)
    np.testing.assert_allclose(logical(emitter.values[node]), node.meta["val"], rtol=1e-5, atol=1e-6)
    assert "bias" in emitter.parameters or not biased


def test_channels_that_lie_outside_are_moved_inside_once() -> None:
    """Tokens (1, N, C) as an image's (1, C, N) are stored."""
    emitter, x = NumpyEmitter(), torch.randn(1, 5, 4, generator=SEED)
    _, node = layer(emitter, x, value_of(x, (0, 2, 1)), Constant(WEIGHT), Constant(BIAS))
    linear(emitter, node)
    assert emitter.written == ["TRANSPOSE", "LINEAR"]
    np.testing.assert_allclose(logical(emitter.values[node]), node.meta["val"], rtol=1e-5, atol=1e-6)


def test_a_runtime_that_wants_a_bias_gets_zeros() -> None:
    emitter, x = NumpyEmitter(always_biased=True), torch.randn(1, 4, generator=SEED)
    _, node = layer(emitter, x, value_of(x), Constant(WEIGHT), None)
    linear(emitter, node)
    assert emitter.parameters["bias"].array.tolist() == [0.0, 0.0, 0.0]


def test_an_int8_layer_has_an_int32_bias_in_units_of_both_scales() -> None:
    emitter, x = NumpyEmitter(), torch.tensor([[0.2, -0.4, 1.0, 0.0]])
    source = Quantization(scales=(0.2,), zero_point=3)
    nodes, node = layer(emitter, x, value_of(x, quantization=source), INT8_WEIGHT, Constant(BIAS))
    last = nodes.quantize(node, 0.5)
    linear(emitter, node)
    bias = emitter.parameters["bias"]
    assert emitter.written == ["LINEAR"]
    assert bias.array.dtype == np.int32
    assert bias.array.tolist() == [5, -20, 80]  # 0.5 / (0.2 * 0.5), -1 / (0.2 * 0.25), 2 / (0.2 * 0.125)
    assert bias.quantization is not None
    assert bias.quantization.scales == pytest.approx((0.1, 0.05, 0.025))
    assert emitter.parameters["weight"].array.tolist() == CODES.tolist()
    expected = x @ INT8_WEIGHT.value.t() + BIAS
    assert abs(logical(emitter.values[last]) - expected.clamp(-64, 63.5).numpy()).max() <= 0.25 + 1e-5


@pytest.mark.parametrize("lacks", ["weight", "input", "result", "axis"])
def test_what_is_not_wholly_int8_is_a_float_layer(lacks: str) -> None:
    emitter, x = NumpyEmitter(), torch.tensor([[0.2, -0.4, 1.0, 0.0]])
    along_inputs = Constant(INT8_WEIGHT.value, CODES, Quantization(scales=(0.5,) * 4, axis=1))
    weight = {"weight": Constant(INT8_WEIGHT.value), "axis": along_inputs}.get(lacks, INT8_WEIGHT)
    value = value_of(x, quantization=None if lacks == "input" else Quantization(scales=(0.2,)))
    nodes, node = layer(emitter, x, value, weight, Constant(BIAS))
    if lacks != "result":
        nodes.quantize(node, 0.5)
    linear(emitter, node)
    assert emitter.written == ([] if lacks == "input" else ["DEQUANTIZE"]) + ["LINEAR"]
    np.testing.assert_allclose(logical(emitter.values[node]), node.meta["val"], rtol=1e-5, atol=1e-5)


def test_a_weight_that_is_computed_is_refused() -> None:
    emitter, x, nodes = NumpyEmitter(), torch.ones(1, 4), Nodes()
    source, weight = nodes.given(x), nodes.given(WEIGHT, "weight")
    emitter.bind(source, value_of(x))
    emitter.bind(weight, value_of(WEIGHT))
    with pytest.raises(ToolchainError, match=r"with a computed weight.*write it as a matmul"):
        linear(emitter, nodes.call("aten.linear.default", source, weight))
