"""Products of matrices against PyTorch, however the factors are stored."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from converters.errors import ToolchainError
from converters.lowering.emit.matmul import matmul
from converters.lowering.values import Constant, Quantization
from tests.converters.lowering.numpy_runtime import NumpyEmitter, logical, value_of
from tests.lowering_nodes import Nodes

SEED = torch.Generator().manual_seed(0)
A, B = torch.randn(2, 3, 4, generator=SEED), torch.randn(2, 4, 5, generator=SEED)
ORDERS = [(0, 1, 2), (0, 2, 1)]
MATMUL, BMM = "aten.matmul.default", "aten.bmm.default"


@pytest.mark.parametrize("operator", [MATMUL, BMM])
@pytest.mark.parametrize(("first", "second"), list(product(ORDERS, ORDERS)))
def test_activations_in_any_order(operator: str, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    a, b = nodes.given(A, "a"), nodes.given(B, "b")
    emitter.bind(a, value_of(A, first))
    emitter.bind(b, value_of(B, second))
    node = nodes.call(operator, a, b)
    matmul(emitter, node)
    np.testing.assert_allclose(logical(emitter.values[node]), A @ B, rtol=1e-5, atol=1e-6)
    moved = (first, second) == ((0, 2, 1), (0, 1, 2))  # x = A and x = B^T both lie the other way round
    assert emitter.written == ["TRANSPOSE"] * moved + ["PRODUCT"]


def test_a_constant_matrix_is_a_layer() -> None:
    emitter, nodes, matrix = NumpyEmitter(), Nodes(), torch.randn(4, 5, generator=SEED)
    a, b = nodes.given(A, "a"), nodes.given(matrix, "b")
    emitter.bind(a, value_of(A))
    emitter.bind(b, Constant(matrix))
    node = nodes.call(MATMUL, a, b)
    matmul(emitter, node)
    assert emitter.written == ["LINEAR"]
    assert emitter.parameters["weight"].shape == (5, 4)
    np.testing.assert_allclose(logical(emitter.values[node]), A @ matrix, rtol=1e-5, atol=1e-6)


def test_a_constant_first_factor_is_written_as_a_tensor() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    a, b = nodes.given(A, "a"), nodes.given(B, "b")
    emitter.bind(a, Constant(A))
    emitter.bind(b, value_of(B))
    node = nodes.call(MATMUL, a, b)
    matmul(emitter, node)
    assert emitter.parameters["a"].shape == (2, 3, 4)
    np.testing.assert_allclose(logical(emitter.values[node]), A @ B, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("zero_point", "int8"), [(0, True), (5, False)])
def test_int8_where_the_second_factor_is_symmetric(zero_point: int, int8: bool) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    a, b = nodes.given(A, "a"), nodes.given(B, "b")
    emitter.bind(a, value_of(A, quantization=Quantization(scales=(0.03,), zero_point=5)))
    emitter.bind(b, value_of(B, quantization=Quantization(scales=(0.03,), zero_point=zero_point)))
    node = nodes.call(MATMUL, a, b)
    last = nodes.quantize(node, 0.1)
    matmul(emitter, node)
    assert emitter.written == ["PRODUCT"] if int8 else ["DEQUANTIZE", "DEQUANTIZE", "PRODUCT"]
    np.testing.assert_allclose(logical(emitter.values[last if int8 else node]), A @ B, atol=0.25)


def test_a_product_of_a_vector_is_refused() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    a, b = nodes.given(torch.ones(3, 4), "a"), nodes.given(torch.ones(4), "b")
    emitter.bind(a, value_of(torch.ones(3, 4)))
    emitter.bind(b, value_of(torch.ones(4)))
    with pytest.raises(ToolchainError, match=r"of a vector.*give both factors two dimensions"):
        matmul(emitter, nodes.call(MATMUL, a, b))
