"""Codes by their bits."""

from __future__ import annotations

import pytest

from converters.plan import INT8, INT8_CHANNELS, ActivationQuantization, Numbers, WeightQuantization


@pytest.mark.parametrize(
    ("numbers", "least", "most"),
    [
        (INT8, -128, 127),
        (INT8_CHANNELS, -127, 127),
        (Numbers(bits=16), -32768, 32767),
        (Numbers(bits=4, axis=0, symmetric=True), -7, 7),
    ],
)
def test_codes_of_any_width_have_their_range(numbers: Numbers, least: int, most: int) -> None:
    assert (numbers.least, numbers.most) == (least, most)


def test_what_tensors_are_stored_as() -> None:
    activation = ActivationQuantization(tensor="relu", module="", scale=0.5, zero_point=3, bits=16)
    assert activation.numbers == Numbers(bits=16, axis=None, symmetric=False)
    weight = WeightQuantization(tensor="conv.weight", module="conv", scales=(1.0, 2.0), axis=1, bits=4)
    assert weight.numbers == Numbers(bits=4, axis=1, symmetric=True)
    assert (INT8, INT8_CHANNELS.axis) == (Numbers(bits=8), 0)
