"""Arithmetic and activations in MIL's terms: the same values as PyTorch's, in the operations that Core ML is quick with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.converters.coreml.mil_programs import X, of_function

CASES: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "a sum with a whole number": (lambda x: x + 3, ["add"]),
    "a sum with a multiple": (lambda x: torch.add(x, x, alpha=2), ["mul", "add"]),
    "a sum with a multiple of a number": (lambda x: torch.add(x, 3, alpha=0.5), ["mul", "add"]),
    "a difference of a multiple": (lambda x: torch.sub(x, x.tanh(), alpha=3), ["tanh", "mul", "sub"]),
    "division by a number": (lambda x: x / 4, ["mul"]),
    "division of values": (lambda x: x / (x * x + 1), ["mul", "add", "real_div"]),
    "clamp from 0": (lambda x: x.clamp(min=0), ["relu"]),
    "clamp from 0 to 6": (lambda x: (9 * x).clamp(0, 6), ["mul", "relu6"]),
    "clamp from below": (lambda x: x.clamp(min=-1), ["maximum"]),
    "clamp from above": (lambda x: x.clamp(max=1), ["minimum"]),
    "clamp to 0": (lambda x: x.clamp(max=0), ["minimum"]),
    "clamp on both sides": (lambda x: x.clamp(-1, 0), ["clip"]),
    "hardtanh without limits given": (lambda x: F.hardtanh(3 * x), ["mul", "clip"]),
    "hardtanh that is a relu6": (lambda x: F.hardtanh(9 * x, 0.0, 6.0), ["mul", "relu6"]),
    "hardsigmoid": (lambda x: F.hardsigmoid(5 * x), ["mul", "sigmoid_hard"]),
    "hardswish": (lambda x: F.hardswish(5 * x), ["mul", "sigmoid_hard", "mul"]),
    "exact gelu": (F.gelu, ["gelu"]),
    "gelu by tanh": (lambda x: F.gelu(x, approximate="tanh"), ["gelu"]),
    "square": (lambda x: x**2, ["square"]),
    "cube": (lambda x: x**3, ["pow"]),
    "root of the reciprocal": (lambda x: (x * x + 0.1).rsqrt(), ["mul", "add", "rsqrt"]),
    "logarithm": (lambda x: (x * x + 0.1).log(), ["mul", "add", "log"]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_operations(name: str) -> None:
    function, expected = CASES[name]
    actual, kinds = of_function(function)
    assert kinds == expected
    np.testing.assert_allclose(actual, function(X).numpy(), rtol=1e-5, atol=1e-6)


def test_the_two_forms_of_gelu_are_told_apart() -> None:
    """They differ by up to 5e-4, which no tolerance for rounding lets through."""
    exact, by_tanh = (of_function(lambda x, a=each: F.gelu(x, approximate=a))[0] for each in ("none", "tanh"))
    assert 1e-5 < np.abs(exact - by_tanh).max() < 1e-3


def test_nothing_is_added_under_a_root_or_in_a_logarithm() -> None:
    """MIL's own default is 1e-12, or 1e-45: in fp16 a small number, not zero, and 1/sqrt(0) is infinite in PyTorch."""
    actual, _ = of_function(lambda x: (x * 0).rsqrt())
    assert np.isposinf(actual).all()
    actual, _ = of_function(lambda x: (x * 0).log())
    assert np.isneginf(actual).all()
