"""What a precision is, in one table."""

from __future__ import annotations

import pytest

from converters import contract, plan
from converters.contract import Metadata, Precision

TABLE = {
    "fp32": (False, False, False, None),
    "fp16": (False, False, False, None),
    "int8": (True, True, True, None),
    "int8-weights": (True, False, True, None),
    "int8-full": (True, True, True, None),
    "a16w8": (True, True, True, None),
    "fp16-palette4": (False, False, True, 4),
    "fp16-palette6": (False, False, True, 6),
    "int8-palette4": (True, True, True, 4),
    "int8-palette6": (True, True, True, 6),
}
"""Quantized, calibrated, compressed, bits of a palette."""


@pytest.mark.parametrize("precision", Precision)
def test_what_a_precision_is(precision: Precision) -> None:
    found = precision.quantized, precision.calibrated, precision.compressed, precision.palette_bits
    assert found == TABLE[precision]


def test_the_plan_s_types_are_part_of_the_contract() -> None:
    for name in ("INT8", "INT8_CHANNELS", "Numbers", "QuantPlan", "ActivationQuantization", "WeightQuantization"):
        assert getattr(contract, name) is getattr(plan, name)


def test_the_texts_of_a_file_leave_its_preprocessing_to_the_manifest() -> None:
    stated = Metadata(description="a net", labels=("a", "b"), preprocessing={"color": "RGB"})
    without = Metadata(description="a net", labels=("a", "b"))
    assert stated.texts() == without.texts()
    assert stated.texts() == {
        "description": "a net",
        "author": "",
        "license": "",
        "version": "",
        "labels": ("a", "b"),
        "extra": {},
    }
