"""Values of the MIL program, told from numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from converters.coreml import toolchain

Var = Any
"""A value of the MIL program (coremltools.converters.mil.mil.Var); coremltools is untyped."""

Translation = Callable[..., Any]
"""(emitter, *arguments of the ATen operator) -> its value in the MIL program, or several."""


def is_float(value: Any) -> bool:
    """Whether `value` is a float value of the MIL program."""
    return (is_variable(value) and value.is_tensor_or_scalar_of(dtype="fp16")) or is_float32(value)


def is_float32(value: Any) -> bool:
    """Whether `value` is a float32 value of the MIL program."""
    return is_variable(value) and bool(value.is_tensor_or_scalar_of(dtype="fp32"))


def is_variable(value: Any) -> bool:
    return isinstance(value, toolchain.load("coremltools.converters.mil.mil").Var)
