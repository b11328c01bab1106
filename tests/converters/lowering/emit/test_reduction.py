"""Softmax over any dimension, and when it is int8."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.lowering.emit.reduction import softmax
from converters.lowering.values import Quantization
from tests.converters.lowering.numpy_runtime import NumpyEmitter, logical, value_of
from tests.lowering_nodes import Nodes

X = torch.randn(1, 4, 3, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("dim", "transposes"), [(1, 0), (-3, 0), (2, 1), (-1, 1)])
def test_the_dimension_is_moved_inside_where_it_does_not_lie_there(dim: int, transposes: int) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X))
    node = nodes.call("aten.softmax.int", x, dim)
    softmax(emitter, node)
    np.testing.assert_allclose(logical(emitter.values[node]), X.softmax(dim), rtol=1e-5)
    assert emitter.written == ["TRANSPOSE"] * transposes + ["SOFTMAX"]


@pytest.mark.parametrize("integer_only", [True, False])
def test_it_is_int8_in_integer_only_files(integer_only: bool) -> None:
    emitter, nodes = NumpyEmitter(integer_only=integer_only), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X, quantization=Quantization(scales=(0.03,))))
    node = nodes.call("aten.softmax.int", x, 1)
    last = nodes.quantize(node, 1 / 256, -128)
    softmax(emitter, node)
    assert emitter.written == (["SOFTMAX"] if integer_only else ["DEQUANTIZE", "SOFTMAX"])
    np.testing.assert_allclose(logical(emitter.values[last if integer_only else node]), X.softmax(1), atol=0.02)


def test_floats_stay_floats_in_integer_only_files() -> None:
    emitter, nodes = NumpyEmitter(integer_only=True), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X))
    node = nodes.call("aten._softmax.default", x, 1, False)
    nodes.quantize(node, 1 / 256, -128)
    softmax(emitter, node)
    assert emitter.values[node].quantization is None
