"""Values of the MIL program, told from numbers and from each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.coreml import toolchain
from converters.coreml.values import is_float, is_float32, is_variable


@pytest.mark.parametrize(
    ("dtype", "floating", "wide"), [("fp32", True, True), ("fp16", True, False), ("int32", False, False)]
)
@pytest.mark.parametrize("shape", [(1, 2), ()])
def test_values_of_a_program(shape: tuple[int, ...], dtype: str, floating: bool, wide: bool) -> None:
    mil = toolchain.load("coremltools.converters.mil.mil")
    with mil.Function({}):
        var = mil.Builder.const(val=np.ones(shape, {"fp32": "f4", "fp16": "f2", "int32": "i4"}[dtype])[()])
    assert is_variable(var)
    assert (is_float(var), is_float32(var)) == (floating, wide)


@pytest.mark.parametrize("value", [1.5, 2, None, "x", np.float32(1), torch.ones(2)], ids=repr)
def test_what_is_no_value_of_a_program(value: object) -> None:
    assert not is_variable(value)
    assert not is_float(value)
    assert not is_float32(value)
