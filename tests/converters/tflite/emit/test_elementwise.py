"""Activations in LiteRT against PyTorch, in float, and which of them are written in codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.fx import Node

from converters.errors import ToolchainError
from converters.lowering.layout import natural
from converters.lowering.values import Quantization, Value
from converters.tflite.emit.elementwise import clamp, gelu, power, unary
from converters.tflite.emitter import Emitter
from converters.tflite.graph import DataType, Operation
from tests.converters.tflite.tflite_helpers import computed, stored
from tests.lowering_nodes import Nodes

X = torch.linspace(-4, 8, 25)[None]
POSITIVE = torch.linspace(0.1, 8, 25)[None]
SOURCE = Quantization(scales=(0.1,), zero_point=-60)
Emit = Callable[[Emitter, Node], None]


def written(
    emit: Emit,
    operator: str,
    *arguments: Any,
    source: Quantization | None = None,
    result: tuple[float, int] | None = None,
    **options: Any,
) -> tuple[Emitter, Node]:
    """An activation of an input, in codes with `source`, a quantize behind it with `result`."""
    named = {"approximate": options.pop("approximate")} if "approximate" in options else {}
    emitter, nodes = Emitter(**options), Nodes()
    x, tensor = nodes.given(X), stored(tuple(X.shape), source)
    emitter.graph.inputs.append(tensor)
    emitter.bind(x, Value(tensor, natural(tuple(X.shape))))
    node = nodes.call(operator, x, *arguments, **named)
    if result is not None:
        nodes.quantize(node, *result)
    emit(emitter, node)
    return emitter, node


def codes(emitter: Emitter) -> list[str]:
    return [operation.code for operation in emitter.graph.operations]


@pytest.mark.parametrize(
    ("emit", "operator", "arguments", "code"),
    [
        (unary("ABS"), "aten.abs.default", (), "ABS"),
        (unary("HARD_SWISH"), "aten.hardswish.default", (), "HARD_SWISH"),
        (unary("LOGISTIC"), "aten.sigmoid.default", (), "LOGISTIC"),
        (power, "aten.pow.Tensor_Scalar", (2,), "SQUARE"),
        (power, "aten.pow.Tensor_Scalar", (0.5,), "SQRT"),
        (power, "aten.pow.Tensor_Scalar", (-0.5,), "RSQRT"),
        (clamp, "aten.relu.default", (), "RELU"),
        (clamp, "aten.relu6.default", (), "RELU6"),
        (clamp, "aten.hardtanh.default", (0.0, 6.0), "RELU6"),
    ],
)
def test_one_operation_is_pytorchs(emit: Emit, operator: str, arguments: tuple[Any, ...], code: str) -> None:
    emitter, node = written(emit, operator, *arguments)
    assert codes(emitter) == [code]
    x = POSITIVE if code in ("SQRT", "RSQRT") else X
    expected = node.target(x, *arguments)
    np.testing.assert_allclose(computed(emitter.graph, x.numpy()), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_in_either_form(approximate: str) -> None:
    emitter, node = written(gelu, "aten.gelu.default", approximate=approximate)
    assert emitter.graph.operations[0].options == {"approximate": approximate == "tanh"}
    np.testing.assert_allclose(computed(emitter.graph, X.numpy()), node.meta["val"], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((-0.5, 0.75), ["MAXIMUM", "MINIMUM"]), ((None, 2.0), ["MINIMUM"]), ((0.25, None), ["MAXIMUM"])],
)
def test_other_clamps_are_a_maximum_and_a_minimum(limits: tuple[float | None, ...], expected: list[str]) -> None:
    emitter, node = written(clamp, "aten.clamp.default", *limits)
    assert codes(emitter) == expected
    np.testing.assert_array_equal(computed(emitter.graph, X.numpy()), node.meta["val"])


def test_an_exponent_without_an_operation_is_refused() -> None:
    with pytest.raises(ToolchainError, match=r"with exponent 3.*use one of 2, 0\.5, -0\.5"):
        written(power, "aten.pow.Tensor_Scalar", 3)


def test_between_codes_it_has_a_conversion_of_its_own_and_leaves_the_quantize_to_the_table() -> None:
    emitter, node = written(unary("TANH"), "aten.tanh.default", source=SOURCE, result=(0.01, 0))
    assert codes(emitter) == ["DEQUANTIZE", "TANH"]
    assert emitter.values[node].quantization is None
    assert node not in emitter.absorbed


def test_a_logistic_is_int8_with_the_numbers_that_the_kernel_has() -> None:
    emitter, node = written(unary("LOGISTIC"), "aten.sigmoid.default", source=SOURCE, result=(1 / 256, -128))
    assert codes(emitter) == ["LOGISTIC"]
    assert node in emitter.absorbed
    other, _ = written(unary("LOGISTIC"), "aten.sigmoid.default", source=SOURCE, result=(1 / 128, -128))
    assert codes(other) == ["DEQUANTIZE", "LOGISTIC"]


@pytest.mark.parametrize(("zero_point", "expected"), [(-128, ["QUANTIZE"]), (-127, ["DEQUANTIZE", "RELU"])])
def test_a_relu_is_a_requantization_where_the_smallest_code_is_zero(zero_point: int, expected: list[str]) -> None:
    emitter, _ = written(clamp, "aten.relu.default", source=SOURCE, result=(0.05, zero_point))
    assert codes(emitter) == expected
    if expected == ["QUANTIZE"]:
        x = np.arange(-128, -103, dtype=np.int8)[None] + 56  # codes -72 to -48, 1.2 below zero to 1.2 above
        real = (x.astype(np.float32) + 60) * np.float32(0.1)
        given = (computed(emitter.graph, x).astype(np.float32) + 128) * np.float32(0.05)
        np.testing.assert_allclose(given, real.clip(0), atol=0.026)


def test_an_integer_only_file_writes_codes() -> None:
    emitter, node = written(
        unary("HARD_SWISH"), "aten.hardswish.default", source=SOURCE, result=(0.1, -60), integer_only=True
    )
    (operation,) = emitter.graph.operations
    assert (operation.code, operation.output.dtype, node in emitter.absorbed) == ("HARD_SWISH", DataType.INT8, True)


def levels(operations: list[Operation]) -> list[tuple[str, int]]:
    limits = [operation.inputs[1] for operation in operations]
    return [(one.code, int(limit.data.item())) for one, limit in zip(operations, limits, strict=True) if limit]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((-0.5, 0.75), [("MAXIMUM", -65), ("MINIMUM", -52)]),
        ((-100.0, 0.75), [("MINIMUM", -52)]),  # no code stands for less than -6.8
        ((0.0, 100.0), [("MAXIMUM", -60)]),
        ((-math.inf, math.inf), []),
    ],
)
def test_an_integer_clamp_compares_codes_and_only_where_one_lies_beyond(
    limits: tuple[float, float], expected: list[tuple[str, int]]
) -> None:
    emitter, node = written(clamp, "aten.clamp.default", *limits, source=SOURCE, integer_only=True)
    assert levels(emitter.graph.operations) == expected
    assert emitter.values[node].quantization == SOURCE
    if expected:
        x = np.arange(-128, 122, 10, dtype=np.int8)[None]
        kept = x.clip(*(dict(expected).get(code, end) for code, end in (("MAXIMUM", -128), ("MINIMUM", 127))))
        np.testing.assert_array_equal(computed(emitter.graph, x), kept)
