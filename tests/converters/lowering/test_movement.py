"""Operations that only rename dimensions are PyTorch's and move nothing; those that cut, join and pad find their axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from converters.errors import ToolchainError
from converters.lowering.layout import Layout
from converters.lowering.movement import (
    RENAMING,
    along,
    shared_quantization,
    side_by_side,
    slice_range,
    zero_padding,
)
from converters.lowering.values import Constant, Quantization, Value
from tests.converters.lowering.numpy_runtime import NumpyEmitter, Stored, logical, value_of
from tests.lowering_nodes import Nodes

X = torch.arange(24.0).view(1, 4, 2, 3)


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        ("aten.view.default", ([1, 2, 2, 6],)),
        ("aten.reshape.default", ([4, 6],)),
        ("aten.flatten.using_ints", (2,)),
        ("aten.unsqueeze.default", (1,)),
        ("aten.squeeze.dim", (0,)),
        ("aten.squeeze.dims", ([0],)),
        ("aten.permute.default", ([0, -1, 1, 2],)),
        ("aten.transpose.int", (1, -1)),
        ("aten.clone.default", ()),
        ("aten.contiguous.default", ()),
        ("aten.detach.default", ()),
        ("aten.alias.default", ()),
        ("aten.dropout.default", (0.5, False)),
        ("aten.expand.default", ([1, -1, 2, 3],)),
    ],
)
def test_a_new_name_for_the_same_memory(operator: str, arguments: tuple[Any, ...]) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    value = value_of(X)
    emitter.bind(x, value)
    node = nodes.call(operator, x, *arguments)
    RENAMING[operator](emitter, node)
    renamed = emitter.values[node]
    assert emitter.written == []
    assert isinstance(renamed, Value)
    assert renamed.tensor is value.tensor
    np.testing.assert_array_equal(logical(renamed), node.meta["val"])


def test_t_exchanges_both_dimensions() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X[0, 0])
    emitter.bind(x, value_of(X[0, 0]))
    node = nodes.call("aten.t.default", x)
    RENAMING["aten.t.default"](emitter, node)
    np.testing.assert_array_equal(logical(emitter.values[node]), X[0, 0].t())


def test_a_dequantize_hands_on_the_codes() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.quantize(nodes.given(X), 1.0)
    value = value_of(X, quantization=Quantization(scales=(1.0,)))
    emitter.bind(x, value)
    node = nodes.dequantize(x, 1.0)
    RENAMING[str(node.target)](emitter, node)
    assert emitter.values[node] is value


@pytest.mark.parametrize("constant", [True, False])
def test_an_expand_that_repeats_is_refused(constant: bool) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, Constant(X) if constant else value_of(X))
    node = nodes.call("aten.expand.default", x, [5, -1, -1, -1])
    with pytest.raises(
        ToolchainError, match=r"from \(1, 4, 2, 3\) to \(5, 4, 2, 3\).*let the next operation broadcast"
    ):
        RENAMING["aten.expand.default"](emitter, node)


@pytest.mark.parametrize(
    ("stored", "dim", "shape", "axis", "reshapes"),
    [
        ((1, 2, 3, 4), 1, (1, 2, 3, 4), 3, 0),
        ((1, 6, 4), 1, (1, 6, 4), 2, 0),  # pixels may lie in one dimension: the channels are whole
        ((1, 6, 4), 3, (1, 2, 3, 4), 2, 1),  # the columns are not
        ((24,), 2, (1, 2, 3, 4), 1, 1),
    ],
)
def test_a_dimension_is_an_axis_of_the_tensor_as_it_lies_where_it_can_be(
    stored: tuple[int, ...], dim: int, shape: tuple[int, ...], axis: int, reshapes: int
) -> None:
    emitter = NumpyEmitter()
    value = Value(Stored(value_of(X).tensor.array.reshape(stored)), value_of(X).layout)
    found = along(emitter, value, dim)
    assert (found.tensor.shape, found.axis, len(emitter.written)) == (shape, axis, reshapes)
    assert found.others == shape[:axis] + shape[axis + 1 :]
    assert found.sized(9) == (*shape[:axis], 9, *shape[axis + 1 :])


def test_an_axis_of_the_same_size_is_another_one() -> None:
    value = value_of(torch.arange(27.0).view(1, 3, 3, 3))
    assert [along(NumpyEmitter(), value, dim).axis for dim in range(4)] == [0, 3, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((1, 1, 3), (1, 1, 2)), ((-1, -2), (3, 1, 2)), ((1, None, -1), (1, 0, 3)), ((1, 0, 10**9), (1, 0, 4))],
)
def test_a_slice_begins_and_ends_as_in_python(arguments: tuple[Any, ...], expected: tuple[int, int, int]) -> None:
    nodes = Nodes()
    assert slice_range(nodes.call("aten.slice.Tensor", nodes.given(X), *arguments), value_of(X)) == expected


def test_quantizations_are_shared_when_they_are_equal() -> None:
    first, second = Quantization(scales=(0.5,)), Quantization(scales=(0.5,), zero_point=1)
    quantized = [value_of(X, quantization=one) for one in (first, first, second)]
    assert shared_quantization(quantized[:2]) == first
    assert shared_quantization(quantized) is None
    assert shared_quantization([value_of(X), value_of(X)]) is None
    assert shared_quantization([value_of(X), quantized[0]]) is None


def test_parts_are_brought_to_the_order_and_the_shape_of_the_first() -> None:
    emitter = NumpyEmitter()
    flat = Value(Stored(value_of(X).tensor.array.reshape(1, 6, 4)), value_of(X).layout)
    sources, order = side_by_side(emitter, [value_of(X), value_of(X, (0, 1, 2, 3)), flat], 1)
    assert order == (0, 2, 3, 1)
    assert [(source.tensor.shape, source.axis) for source in sources] == [((1, 2, 3, 4), 3)] * 3
    assert emitter.written == ["TRANSPOSE", "RESHAPE"]
    for source in sources:
        np.testing.assert_array_equal(logical(Value(source.tensor, Layout((1, 4, 2, 3), order))), X)


def test_padding_is_read_from_the_last_dimension_on() -> None:
    nodes = Nodes()
    x = nodes.given(X)
    node = nodes.call("aten.constant_pad_nd.default", x, [1, 2, 3, 4])
    assert zero_padding(node) == [(0, 0), (0, 0), (3, 4), (1, 2)]


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        ("aten.pad.default", ([1, 1], "constant", 2.0)),
        ("aten.pad.default", ([1, 1, 1, 1], "replicate")),
        ("aten.constant_pad_nd.default", ([1, -1],)),
    ],
    ids=["ones", "replicate", "crop"],
)
def test_padding_with_anything_but_zeros_is_refused(operator: str, arguments: tuple[Any, ...]) -> None:
    nodes = Nodes()
    with pytest.raises(ToolchainError, match="pad with zeros"):
        zero_padding(nodes.call(operator, nodes.given(X), *arguments))
