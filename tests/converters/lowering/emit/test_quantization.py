"""A quantize that nothing took in: a conversion, or nothing between equal numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.errors import ToolchainError
from converters.lowering.emit.quantization import quantize
from converters.lowering.values import Quantization
from tests.converters.lowering.numpy_runtime import NumpyEmitter, value_of
from tests.lowering_nodes import Nodes

X = torch.tensor([[0.0, 0.26, -0.5, 100.0]])


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        (None, ["QUANTIZE"]),
        (Quantization(scales=(0.25,), zero_point=3), []),
        (Quantization(scales=(0.25,)), ["QUANTIZE"]),
        (Quantization(scales=(0.125,), zero_point=3), ["QUANTIZE"]),
    ],
    ids=["floats", "the same", "another zero point", "another scale"],
)
def test_only_other_numbers_are_converted(stored: Quantization | None, written: list[str]) -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X, quantization=stored))
    node = nodes.quantize(x, 0.25, 3)
    quantize(emitter, node)
    value = emitter.values[node]
    assert emitter.written == written
    assert value.quantization == Quantization(scales=(0.25,), zero_point=3)
    np.testing.assert_array_equal(value.tensor.array[:, :3], [[3, 4, 1]])
    assert stored is not None or value.tensor.array[0, 3] == 127


def test_codes_of_sixteen_bits_are_refused() -> None:
    emitter, nodes = NumpyEmitter(), Nodes()
    x = nodes.given(X)
    emitter.bind(x, value_of(X))
    with pytest.raises(ToolchainError, match=r"codes -32768\.\.32767 as torch\.int16.*quantize activations to int8"):
        quantize(emitter, nodes.quantize(x, 0.25, bits=16))
