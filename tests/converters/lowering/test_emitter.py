"""What every emitter puts off: fused clamps and quantizes, reshapes, transposes, conversions to float, each done once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from converters.lowering.emitter import Epilogue, clamp_limits
from converters.lowering.layout import Layout, view
from converters.lowering.values import Constant, Quantization, Value
from tests.converters.lowering.numpy_runtime import NumpyEmitter, Stored, logical, value_of
from tests.lowering_nodes import Nodes

X = torch.arange(24.0).view(1, 4, 2, 3)
CODES = Quantization(scales=(1.0,))


@pytest.mark.parametrize(
    ("operator", "arguments", "limits"),
    [
        ("aten.relu.default", (), (0.0, math.inf)),
        ("aten.relu6.default", (), (0.0, 6.0)),
        ("aten.hardtanh.default", (), (-1.0, 1.0)),
        ("aten.hardtanh.default", (0.0, 6.0), (0.0, 6.0)),
        ("aten.clamp.default", (None, 2), (-math.inf, 2.0)),
        ("aten.clamp.default", (-0.5,), (-0.5, math.inf)),
        ("aten.clamp_min.default", (0.25,), (0.25, math.inf)),
        ("aten.abs.default", (), None),
    ],
)
def test_a_clamp_under_any_of_its_names(operator: str, arguments: tuple[Any, ...], limits: object) -> None:
    nodes = Nodes()
    assert clamp_limits(nodes.call(operator, nodes.given(X), *arguments)) == limits


def test_a_clamp_and_the_quantize_behind_it_become_part_of_a_node() -> None:
    nodes, emitter = Nodes(), NumpyEmitter()
    x = nodes.given(X)
    clamp = nodes.call("aten.relu6.default", x)
    codes = nodes.quantize(clamp, 0.5, -128)
    quantization = Quantization(scales=(0.5,), zero_point=-128)
    assert emitter.epilogue(x, int8=True) == Epilogue(last=codes, clamp=(0.0, 6.0), quantization=quantization)
    assert emitter.epilogue(x, int8=False) == Epilogue(last=clamp, clamp=(0.0, 6.0))
    assert emitter.epilogue(x, int8=True, clamp=False) == Epilogue(last=x)


def test_what_somebody_else_reads_is_not_fused() -> None:
    nodes, emitter = Nodes(), NumpyEmitter()
    x = nodes.given(X)
    clamp = nodes.call("aten.relu.default", x)
    nodes.quantize(clamp, 0.5)
    nodes.call("aten.abs.default", clamp)
    assert emitter.epilogue(x, int8=True) == Epilogue(last=clamp, clamp=(0.0, math.inf))
    nodes.call("aten.abs.default", x)
    assert emitter.epilogue(x, int8=True) == Epilogue(last=x)


def test_a_clamp_that_the_runtime_cannot_fuse_stays() -> None:
    nodes, emitter = Nodes(), NumpyEmitter()
    x = nodes.given(X)
    nodes.call("aten.clamp_min.default", x, -1.0)
    assert emitter.epilogue(x, int8=False) == Epilogue(last=x)


def test_the_last_node_of_an_epilogue_has_the_value_and_the_others_are_done() -> None:
    nodes, emitter = Nodes(), NumpyEmitter()
    x = nodes.given(X)
    clamp = nodes.call("aten.relu.default", x)
    codes = nodes.quantize(clamp, 0.5)
    value = value_of(X)
    emitter.finish(x, emitter.epilogue(x, int8=True), value)
    assert emitter.values == {codes: value}
    assert emitter.absorbed == {x, clamp}


def test_a_constant_is_an_activation_in_pytorchs_order() -> None:
    nodes, emitter = Nodes(), NumpyEmitter()
    x = nodes.given(X)
    emitter.bind(x, Constant(X))
    value = emitter.activation(x)
    assert value.layout == Layout((1, 4, 2, 3), (0, 1, 2, 3))
    np.testing.assert_array_equal(value.tensor.array, X)


def test_conversions_are_written_once_for_all_who_ask() -> None:
    emitter, value = NumpyEmitter(), value_of(X, quantization=CODES)
    assert emitter.dequantized(value).tensor is emitter.dequantized(value).tensor
    assert emitter.dequantized(value_of(X)).quantization is None
    assert emitter.written == ["DEQUANTIZE"]
    tensor = value.tensor
    assert emitter.reshaped(tensor, (6, 4)) is emitter.reshaped(tensor, (6, 4))
    assert emitter.reshaped(tensor, tensor.shape) is tensor
    assert emitter.transposed(tensor, (3, 2, 1, 0)) is emitter.transposed(tensor, (3, 2, 1, 0))
    assert emitter.written == ["DEQUANTIZE", "RESHAPE", "TRANSPOSE"]


def test_order_is_changed_only_where_an_element_moves() -> None:
    emitter, value = NumpyEmitter(), value_of(X)
    assert emitter.ordered(value, (2, 3, 0, 1)).tensor is value.tensor, "a dimension of size one lies anywhere"
    assert emitter.written == []
    moved = emitter.ordered(value, (0, 1, 2, 3))
    np.testing.assert_array_equal(moved.tensor.array, X)
    assert emitter.written == ["TRANSPOSE"]


def test_innermost_keeps_the_order_of_the_others() -> None:
    emitter = NumpyEmitter()
    inside = emitter.innermost(value_of(X), 2)
    assert inside.layout.order == (0, 3, 1, 2)
    np.testing.assert_array_equal(logical(inside), X)


@pytest.mark.parametrize("shape", [(4, 6), (1, 2, 2, 6), (8, 3)])
def test_a_view_is_pytorchs(shape: tuple[int, ...]) -> None:
    emitter, value = NumpyEmitter(), value_of(X)
    seen = emitter.viewed(value, view(value.layout, shape))
    np.testing.assert_array_equal(logical(seen), X.view(shape))
    assert emitter.written.count("TRANSPOSE") == (shape == (8, 3)), "only what merges channels with rows moves"


def test_rows_need_only_their_innermost_dimension() -> None:
    emitter, layout = NumpyEmitter(), Layout((1, 4, 2, 3), (0, 2, 3, 1))
    flat, whole = Stored(np.zeros((6, 4))), Stored(np.zeros(24))
    assert emitter.rows(Value(flat, layout)) is flat
    assert emitter.rows(Value(whole, layout)).shape == (1, 2, 3, 4)
    assert emitter.stored(Value(flat, layout)).shape == (1, 2, 3, 4)


def test_a_layer_is_int8_with_all_three_and_scales_of_output_channels() -> None:
    emitter = NumpyEmitter()
    along_inputs = Quantization(scales=(1.0, 2.0), axis=1)
    assert emitter.has_int8_layer(CODES, CODES, CODES)
    for lacking in ((None, CODES, CODES), (CODES, None, CODES), (CODES, CODES, None), (along_inputs, CODES, CODES)):
        assert not emitter.has_int8_layer(*lacking)
