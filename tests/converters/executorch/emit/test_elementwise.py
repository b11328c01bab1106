"""Activations: as the delegate has them, or in the operations that it has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from converters.contract import Precision
from converters.errors import ToolchainError
from tests.converters.executorch.executorch_helpers import content, run
from tests.lazily import Lazily
from tests.lowering_helpers import Apply, export, quantize, relative_error

lowering = Lazily("converters.executorch.lower")

X = torch.linspace(-4, 4, 96).reshape(1, 4, 6, 4)


def kinds(function: Callable[[Tensor], Tensor], precision: Precision = Precision.FP32) -> list[str]:
    """Operations in order, but for those that convert."""
    program = export(Apply(function), X)
    program = quantize(program, X) if precision is Precision.INT8 else program
    return [one.kind for one in lowering.to_graph(program, precision).operations if one.kind != "Convert"]


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (torch.abs, "Abs"),
        (torch.exp, "Exp"),
        (F.hardswish, "Hardswish"),
        (torch.neg, "Negate"),
        (torch.sigmoid, "Sigmoid"),
        (torch.tanh, "Tanh"),
        (F.relu, "Clamp"),
        (F.relu6, "Clamp"),
        (lambda x: x.clamp(-1, 2), "Clamp"),
        (lambda x: x.clamp(max=2), "Clamp"),
        (lambda x: x**2, "Square"),
        (F.gelu, "Gelu"),
    ],
)
def test_one_operation_with_the_right_values(function: Callable[[Tensor], Tensor], kind: str) -> None:
    assert kinds(function) == [kind]
    assert relative_error(run(content(export(Apply(function), X)), X), function(X)) < 1e-5


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (torch.sqrt, "SquareRoot"),
        (lambda x: x**0.5, "SquareRoot"),
        (torch.rsqrt, "ReciprocalSquareRoot"),
        (lambda x: x**-0.5, "ReciprocalSquareRoot"),
        (torch.log, "Log"),
    ],
)
def test_what_positive_numbers_have(function: Callable[[Tensor], Tensor], kind: str) -> None:
    positive = Apply(lambda x: function(x.abs() + 0.5))
    assert kinds(positive.function)[-1] == kind
    assert relative_error(run(content(export(positive, X)), X), positive(X)) < 1e-5


def test_other_powers_are_refused() -> None:
    with pytest.raises(ToolchainError, match=r"exponent 1\.5"):
        kinds(lambda x: x**1.5)


def test_gelu_by_tanh_is_written_out_in_float32_only() -> None:
    """The delegate's exact one differs by up to 5e-4, which only float32 resolves."""

    def by_tanh(x: Tensor) -> Tensor:
        return F.gelu(x, approximate="tanh")

    assert kinds(by_tanh) == ["Square", "Multiply", "Add", "Multiply", "Sigmoid", "Multiply"]
    assert kinds(by_tanh, Precision.FP16) == kinds(by_tanh, Precision.INT8) == ["Gelu"]
    assert relative_error(run(content(export(Apply(by_tanh), X)), X), by_tanh(X)) < 1e-6
    assert float((F.gelu(X) - by_tanh(X)).abs().max()) > 1e-4


@pytest.mark.parametrize(
    ("function", "dtype"),
    [(torch.relu, "qint8"), (lambda x: x.clamp(max=0), "qint8"), (lambda x: x.clamp(-0.3, 1.1), "fp32")],
)
def test_a_clamp_of_codes_stays_int8_without_a_quantize_where_0_is_its_only_limit(
    function: Callable[[Tensor], Tensor], dtype: str
) -> None:
    """0 is a code; any other limit need not be one."""
    floats = ("aten.relu.default", "aten.clamp.default", "aten.exp.default")
    program = quantize(export(Apply(lambda x: function(x).exp()), X), X, floats=floats)
    (clamp,) = [one for one in lowering.to_graph(program, Precision.INT8).operations if one.kind == "Clamp"]
    assert clamp.output.dtype == dtype
