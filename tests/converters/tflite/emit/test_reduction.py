"""Means, sums, maxima and layer norms in LiteRT against PyTorch, over any dimensions of any order of storage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from converters.lowering.layout import CHANNELS_LAST, Layout, inverse
from converters.lowering.values import Constant, Quantization, Value
from converters.tflite.emit.reduction import layer_norm, reduce
from converters.tflite.emitter import Emitter
from converters.tflite.graph import DataType
from converters.tflite.graph import Tensor as Stored
from tests.converters.tflite.tflite_helpers import computed, stored
from tests.lowering_nodes import Nodes

X = torch.randn(1, 4, 3, 5, generator=torch.Generator().manual_seed(0))
NHWC = X.permute(CHANNELS_LAST).contiguous().numpy()
OPERATORS = {"MEAN": "aten.mean.dim", "SUM": "aten.sum.dim_IntList", "REDUCE_MAX": "aten.amax.default"}


def begun(quantization: Quantization | None = None) -> tuple[Emitter, Nodes, object, Stored]:
    """An NHWC image as input."""
    emitter, nodes = Emitter(), Nodes()
    x, tensor = nodes.given(X), stored(NHWC.shape, quantization)
    emitter.graph.inputs.append(tensor)
    emitter.bind(x, Value(tensor, Layout(tuple(X.shape), CHANNELS_LAST)))
    return emitter, nodes, x, tensor


def logical(emitter: Emitter, node: object, x: np.ndarray = NHWC) -> np.ndarray:
    value = emitter.values[node]
    assert isinstance(value, Value)
    return computed(emitter.graph, x).reshape(value.layout.stored).transpose(inverse(value.layout.order))


@pytest.mark.parametrize("code", OPERATORS)
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("dims", [[2, 3], [1], [-1], [1, 3], [0, 1, 2, 3]], ids=str)
def test_a_reduction_is_pytorchs(code: str, dims: list[int], keep: bool) -> None:
    emitter, nodes, x, _ = begun()
    node = nodes.call(OPERATORS[code], x, dims, keep)
    reduce(code)(emitter, node)
    assert [operation.code for operation in emitter.graph.operations] == [code]
    np.testing.assert_allclose(logical(emitter, node), node.meta["val"], rtol=1e-5, atol=1e-6)


def test_no_dimensions_are_all() -> None:
    emitter, nodes, x, _ = begun()
    node = nodes.call("aten.mean.dim", x, None, True)
    reduce("MEAN")(emitter, node)
    np.testing.assert_allclose(logical(emitter, node), node.meta["val"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("quantized", [True, False])
def test_codes_are_reduced_where_the_result_has_codes_too(quantized: bool) -> None:
    emitter, nodes, x, _ = begun(Quantization(scales=(0.05,)))
    node = nodes.call("aten.mean.dim", x, [2, 3], False)
    last = nodes.quantize(node, 0.02) if quantized else node
    reduce("MEAN")(emitter, node)
    codes = [operation.code for operation in emitter.graph.operations]
    assert codes == ["MEAN"] if quantized else ["DEQUANTIZE", "MEAN"]
    assert emitter.graph.operations[-1].output.dtype is (DataType.INT8 if quantized else DataType.FLOAT32)
    given = logical(emitter, last, np.rint(NHWC / 0.05).astype(np.int8)) * (0.02 if quantized else 1)
    np.testing.assert_allclose(given, X.mean((2, 3)), atol=0.025 + 0.02)


@pytest.mark.parametrize("affine", ["both", "weight", "none"])
@pytest.mark.parametrize("shape", [[5], [3, 5]], ids=str)
def test_a_layer_norm_is_pytorchs(shape: list[int], affine: str) -> None:
    emitter, nodes, x, _ = begun()
    given: dict[str, Tensor] = {"weight": torch.randn(shape), "bias": torch.randn(shape)}
    parameters = []
    for name, tensor in given.items():
        absent = affine == "none" or (affine == "weight" and name == "bias")
        parameters.append(None if absent else nodes.given(tensor, name))
        if not absent:
            emitter.bind(parameters[-1], Constant(tensor))
    node = nodes.call("aten.layer_norm.default", x, shape, *parameters, 1e-3)
    layer_norm(emitter, node)
    np.testing.assert_allclose(logical(emitter, node), node.meta["val"], rtol=1e-4, atol=1e-5)


def test_a_layer_norm_converts_codes_first() -> None:
    emitter, nodes, x, _ = begun(Quantization(scales=(0.05,)))
    layer_norm(emitter, nodes.call("aten.layer_norm.default", x, [5]))
    assert emitter.graph.operations[0].code == "DEQUANTIZE"
    assert {operation.output.dtype for operation in emitter.graph.operations} == {DataType.FLOAT32}
