"""Which writer a file's input and output have, by the interface that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from converters.interface import TENSORS, Interface, Normalization
from converters.lowering.ends import PIXEL, Ends, row

NORMALIZATION = Normalization(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))


def writer(name: str) -> Any:
    return lambda *arguments: (name, *arguments)


ENDS: Ends[Any] = Ends(
    tensor=writer("tensor"), image=writer("image"), scores=writer("scores"), probabilities=writer("probabilities")
)


@pytest.mark.parametrize(
    ("interface", "source", "result"),
    [
        (TENSORS, ("tensor", "emitter", "node"), "scores"),
        (Interface(pixels=NORMALIZATION), ("image", "emitter", "node", NORMALIZATION), "scores"),
        (Interface(classes=True), ("tensor", "emitter", "node"), "probabilities"),
    ],
    ids=["tensors", "image", "classes"],
)
def test_each_end_has_the_writer_that_is_asked_for(interface: Interface, source: Any, result: str) -> None:
    emitter: Any = "emitter"
    node: Any = "node"
    assert ENDS.input_of(interface)(emitter, node) == source
    assert ENDS.output_of(interface)(emitter, node) == (result, "emitter", "node")


def test_a_row_repeats_three_numbers_for_each_pixel() -> None:
    constant = row(np.array([0.1, 0.2, 0.3]), 4)
    assert (constant.shape, constant.dtype) == ((1, 1, 4, 3), np.float32)
    for pixel in constant[0, 0]:
        np.testing.assert_array_equal(pixel, np.array([0.1, 0.2, 0.3], np.float32))


def test_the_largest_pixel_stands_for_one() -> None:
    assert PIXEL.scale * 255 == pytest.approx(1.0)
    assert PIXEL.zero_point == 0
