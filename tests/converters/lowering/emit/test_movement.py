"""What moves elements, against PyTorch: slices, parts, concatenations, padding; int8 stays int8."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.fx import Node

from converters.errors import ToolchainError
from converters.lowering.emit.movement import MAX_CONCATENATED, concatenate, pad, select, slice_tensor, split
from converters.lowering.values import Quantization
from tests.converters.lowering.numpy_runtime import NumpyEmitter, logical, value_of
from tests.lowering_nodes import Nodes

X = torch.arange(1 * 6 * 3 * 5, dtype=torch.float32).view(1, 6, 3, 5)
CODES = Quantization(scales=(1.0,), zero_point=-128)


def emitted(
    emit: Callable[[NumpyEmitter, Node], None], name: str, *arguments: Any, quantization: Quantization | None = None
) -> tuple[NumpyEmitter, Node]:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X, quantization=quantization))
    node = nodes.call(name, x, *arguments)
    emit(emitter, node)
    return emitter, node


@pytest.mark.parametrize("quantization", [None, CODES])
@pytest.mark.parametrize("arguments", [(1, 2, 5), (1, -2), (3, 1, 4), (-1, 0, -1), (2, 1, 1000), (0, 0, 1)], ids=str)
def test_a_slice_is_pytorchs(arguments: tuple[int, ...], quantization: Quantization | None) -> None:
    emitter, node = emitted(slice_tensor, "aten.slice.Tensor", *arguments, quantization=quantization)
    value = emitter.values[node]
    np.testing.assert_array_equal(logical(value), node.meta["val"])
    assert value.quantization == quantization
    assert emitter.written == ([] if node.meta["val"].shape == X.shape else ["SLICE"])


def test_a_slice_with_a_step_is_refused() -> None:
    with pytest.raises(ToolchainError, match=r"with step 2.*slice with step 1"):
        emitted(slice_tensor, "aten.slice.Tensor", 1, 0, 6, 2)


@pytest.mark.parametrize(("dim", "index"), [(1, 0), (1, -1), (-1, 2), (0, 0), (2, 1)])
def test_one_element_of_a_dimension(dim: int, index: int) -> None:
    emitter, node = emitted(select, "aten.select.int", dim, index)
    np.testing.assert_array_equal(logical(emitter.values[node]), X.select(dim, index))


@pytest.mark.parametrize(
    ("name", "sizes"), [("split.Tensor", 4), ("split_with_sizes.default", [1, 3, 2]), ("chunk.default", 3)]
)
def test_the_parts_that_are_read_are_slices(name: str, sizes: object) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X))
    parts = nodes.call(f"aten.{name}", x, sizes, 1)
    read = nodes.graph.call_function(operator.getitem, (parts, 1))
    split(emitter, parts)
    np.testing.assert_array_equal(logical(emitter.values[read]), parts.meta["val"][1])
    assert emitter.written == ["SLICE"], "only one of them is read"


def test_parts_that_are_read_as_a_list_are_refused() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X))
    parts = nodes.call("aten.split.Tensor", x, 2, 1)
    nodes.graph.call_function(torch.ops.aten.cat.default, (parts, 1))
    with pytest.raises(ToolchainError, match=r"aten\.cat\.default of a list of tensors.*read the parts one by one"):
        split(emitter, parts)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("count", [1, 2, MAX_CONCATENATED + 1, MAX_CONCATENATED**2 + 1])
def test_any_number_of_tensors_is_joined_a_handful_at_a_time(dim: int, count: int) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    parts = [nodes.given(X + 100 * number, f"x{number}") for number in range(count)]
    for number, part in enumerate(parts):
        emitter.bind(part, value_of(X + 100 * number, (0, 1, 2, 3) if number == 1 else None))
    node = nodes.call("aten.cat.default", parts, dim)
    concatenate(emitter, node)
    np.testing.assert_array_equal(logical(emitter.values[node]), node.meta["val"])
    # 26 parts are 6 of at most 5, these 2, and those one.
    joins = {1: 0, 2: 1, MAX_CONCATENATED + 1: 3, MAX_CONCATENATED**2 + 1: 9}
    assert emitter.written.count("CONCATENATION") == joins[count]


@pytest.mark.parametrize(
    ("scales", "written"),
    [
        ((1.0, 1.0), ["CONCATENATION"]),
        ((1.0, 2.0), ["DEQUANTIZE", "DEQUANTIZE", "CONCATENATION"]),
        ((1.0, None), ["DEQUANTIZE", "CONCATENATION"]),
    ],
)
def test_codes_are_joined_as_they_are_where_all_have_one_scale(
    scales: tuple[float, float | None], written: list[str]
) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    parts = [nodes.given(X, f"x{number}") for number in range(2)]
    for part, scale in zip(parts, scales, strict=True):
        emitter.bind(part, value_of(X, quantization=Quantization(scales=(scale,), zero_point=-128) if scale else None))
    node = nodes.call("aten.cat.default", parts, 1)
    concatenate(emitter, node)
    assert emitter.written == written
    np.testing.assert_allclose(logical(emitter.values[node]), node.meta["val"], atol=1.0)


def test_what_a_quantize_follows_is_joined_in_its_codes() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    parts = [nodes.given(X, f"x{number}") for number in range(2)]
    for part, scale in zip(parts, (1.0, 0.5), strict=True):
        emitter.bind(part, value_of(X, quantization=Quantization(scales=(scale,), zero_point=-128)))
    node = nodes.call("aten.cat.default", parts, 1)
    last = nodes.quantize(node, 1.0, -128)
    concatenate(emitter, node)
    assert emitter.written == ["QUANTIZE", "CONCATENATION"], "the first has the result's numbers already"
    np.testing.assert_allclose(logical(emitter.values[last]), node.meta["val"], atol=1.0)


@pytest.mark.parametrize("amounts", [[0, 3, 1, 0], [1, 2], [0, 0, 0, 0, 2, 1]])
def test_zeros_around_it(amounts: list[int]) -> None:
    emitter, node = emitted(pad, "aten.constant_pad_nd.default", amounts)
    np.testing.assert_array_equal(logical(emitter.values[node]), torch.nn.functional.pad(X, amounts))


def test_the_zeros_around_codes_are_the_code_of_zero() -> None:
    emitter, node = emitted(pad, "aten.pad.default", [1, 0], quantization=CODES)
    value = emitter.values[node]
    assert value.tensor.array.dtype == np.int8
    assert (value.tensor.array[:, :, 0] == -128).all()
    np.testing.assert_array_equal(logical(value), torch.nn.functional.pad(X, (1, 0)))


def test_no_padding_is_nothing_and_other_numbers_are_refused() -> None:
    emitter, _ = emitted(pad, "aten.pad.default", [0, 0, 0, 0])
    assert emitter.written == []
    with pytest.raises(ToolchainError, match="pad with zeros"):
        emitted(pad, "aten.pad.default", [1, 1], "constant", 2.0)
