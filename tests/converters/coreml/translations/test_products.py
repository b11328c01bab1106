"""Convolutions and matrix products: PyTorch's numbers in MIL's attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.converters.coreml.coreml_programs import seeded
from tests.converters.coreml.mil_programs import X, emitted, evaluated, of_function, operations


def layer(**options: Any) -> nn.Module:
    return seeded(lambda: nn.Conv2d(6, 4, **{"kernel_size": 3, **options}))


def attributes(module: nn.Module, x: torch.Tensor = X) -> dict[str, Any]:
    """Those of the only convolution, whose value has to be PyTorch's."""
    program = emitted(module, x)
    with torch.no_grad():
        np.testing.assert_allclose(evaluated(program, x), module(x).numpy(), rtol=1e-5, atol=1e-5)
    (found,) = [operation for operation in operations(program) if operation.op_type == "conv"]
    return {
        name: None if var is None else np.asarray(var.val).tolist() for name, var in found.inputs.items() if name != "x"
    }


@pytest.mark.parametrize(
    ("options", "name", "expected"),
    [
        ({"padding": 1}, "pad", [1, 1, 1, 1]),
        ({"padding": (2, 0)}, "pad", [2, 2, 0, 0]),
        ({"stride": (2, 1)}, "strides", [2, 1]),
        ({"kernel_size": 2, "dilation": (1, 3)}, "dilations", [1, 3]),
        ({"groups": 2}, "groups", 2),
    ],
    ids=str,
)
def test_each_attribute_is_rows_before_columns(options: dict[str, Any], name: str, expected: object) -> None:
    assert attributes(layer(**options))[name] == expected


def test_what_is_given_once_is_that_of_rows_and_columns() -> None:
    """As a program may state it that nn.Conv2d did not write."""

    class Once(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(layer().weight.detach())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.conv2d(x, self.weight, None, [2], [2], [3])

    found = attributes(Once())
    assert (found["strides"], found["pad"], found["dilations"]) == ([2, 2], [2, 2, 2, 2], [3, 3])
    assert "bias" not in found


def test_linear_layers_with_and_without_bias() -> None:
    for bias in (True, False):
        module = seeded(lambda bias=bias: nn.Linear(5, 3, bias=bias))
        with torch.no_grad():
            np.testing.assert_allclose(evaluated(emitted(module)), module(X).numpy(), rtol=1e-5, atol=1e-6)


def test_the_order_of_factors_is_kept() -> None:
    other = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    for function in (lambda x, y: x @ y, lambda x, y: y @ x):
        actual, kinds = of_function(function, other)
        assert kinds == ["matmul"]
        np.testing.assert_allclose(actual, function(X, other).numpy(), rtol=1e-5, atol=1e-5)
    actual, _ = of_function(lambda x: torch.bmm(x[0], x[0].transpose(1, 2)).unsqueeze(0))
    np.testing.assert_allclose(actual, (X @ X.mT).numpy(), rtol=1e-5, atol=1e-5)
