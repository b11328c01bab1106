"""The data movement that passes write, run by LiteRT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from converters.lowering.values import Quantization
from converters.tflite.graph import DataType, Graph
from converters.tflite.passes.movement import concatenate_innermost, numbers, reshape, slice_innermost
from tests.converters.tflite.tflite_helpers import computed, stored

CODES = Quantization(scales=(0.5,), zero_point=3)
X = np.arange(2 * 52, dtype=np.int8).reshape(1, 2, 52)
SOURCE = stored(X.shape, CODES)


def test_a_reshape_keeps_elements_and_numbers() -> None:
    operation = reshape(SOURCE, (4, 26), name="flat")
    assert (operation.output.name, operation.output.quantization, operation.output.data) == ("flat", CODES, None)
    graph = Graph(inputs=[SOURCE], operations=[operation])
    np.testing.assert_array_equal(computed(graph, X), X.reshape(4, 26))


def test_a_reshape_gives_what_is_there_already() -> None:
    output = replace(SOURCE, name="there", shape=(104,))
    assert reshape(SOURCE, (104,), name="unused", output=output).output is output


def test_a_constant_that_is_reshaped_is_one_no_more() -> None:
    constant = replace(SOURCE, data=X)
    assert reshape(constant, (104,), name="flat").output.data is None
    assert slice_innermost(constant, 0, 3, name="part").output.data is None


@pytest.mark.parametrize(("begin", "size"), [(0, 52), (3, 7), (51, 1)])
def test_a_slice_is_of_the_innermost_dimension(begin: int, size: int) -> None:
    graph = Graph(inputs=[SOURCE], operations=[slice_innermost(SOURCE, begin, size, name="part")])
    np.testing.assert_array_equal(computed(graph, X), X[..., begin : begin + size])


@pytest.mark.parametrize(("parts", "joins"), [(1, 1), (2, 1), (4, 1), (13, 4), (26, 9), (52, 15)])
def test_parts_are_joined_in_their_order_a_handful_at_a_time(parts: int, joins: int) -> None:
    size = 52 // parts
    slices = [slice_innermost(SOURCE, begin, size, name=f"part{begin}") for begin in range(0, 52, size)]
    output = replace(SOURCE, name="whole")
    joined = concatenate_innermost([one.output for one in slices], output)
    assert joined[-1].output is output
    assert max(len(operation.inputs) for operation in joined) <= 5
    assert len(joined) == joins
    assert len({operation.output.name for operation in joined}) == joins
    graph = Graph(inputs=[SOURCE], operations=[*slices, *joined])
    np.testing.assert_array_equal(computed(graph, X), X)


def test_numbers_are_int32() -> None:
    tensor = numbers((3, -1), name="n")
    assert (tensor.dtype, tensor.shape, tensor.data.tolist()) == (DataType.INT32, (2,), [3, -1])
