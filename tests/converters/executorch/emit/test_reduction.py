"""Means, sums, layer norm: over any dimensions, wherever they lie, and in the operations that are quick there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from converters.contract import Precision
from tests.converters.executorch.executorch_helpers import content, run
from tests.lazily import Lazily
from tests.lowering_helpers import Apply, export, quantize, relative_error

lowering = Lazily("converters.executorch.lower")

X = torch.randn(1, 5, 6, 7, generator=torch.Generator().manual_seed(0)) + 0.5

REDUCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "mean of an image": (lambda x: x.mean((2, 3)), ["FullyConnected"]),
    "mean from the end, kept": (lambda x: x.mean((-1, -2), keepdim=True), ["FullyConnected"]),
    "mean of channels": (lambda x: x.mean(1), ["GlobalAvgPooling2d"]),
    "mean of rows between": (lambda x: x.mean(2, keepdim=True), ["GlobalAvgPooling2d"]),
    "mean of what does not lie together": (lambda x: x.mean((1, 3)), ["StaticTranspose", "FullyConnected"]),
    "mean of everything": (lambda x: x.mean((0, 1, 2, 3), keepdim=True), ["FullyConnected"]),
    "mean of all of one": (lambda x: x[:, :1].mean(1), ["StaticSlice", "GlobalAvgPooling2d"]),
    "sum of columns": (lambda x: x.sum(-1), ["FullyConnected"]),
    "sum of channels": (lambda x: x.sum(1, keepdim=True), ["GlobalAvgPooling2d", "Multiply"]),
    "sum of everything": (lambda x: x.sum((0, 1, 2, 3), keepdim=True), ["FullyConnected"]),
}


def kinds(module: nn.Module, x: Tensor = X, precision: Precision = Precision.FP32) -> list[str]:
    """Operations in order, but for reshapes and conversions."""
    program = export(module, x)
    program = quantize(program, x) if precision is Precision.INT8 else program
    found = lowering.to_graph(program, precision).operations
    return [one.kind for one in found if one.kind not in ("Convert", "StaticReshape")]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_values_and_operations(name: str) -> None:
    function, expected = REDUCTIONS[name]
    assert kinds(Apply(function)) == expected
    assert relative_error(run(content(export(Apply(function), X)), X), function(X)) < 1e-5


@pytest.mark.parametrize(("count", "kind"), [(64, "FullyConnected"), (65, "GlobalAvgPooling2d")])
def test_only_short_rows_are_added_up_in_half_precision(count: int, kind: str) -> None:
    x = torch.ones(1, 3, 1, count)
    assert kinds(Apply(lambda x: x.mean(-1)), x, Precision.FP16) == [kind]
    assert kinds(Apply(lambda x: x.mean(-1)), x) == ["FullyConnected"]


def test_a_long_sum_of_half_precision_is_right() -> None:
    """2100 ones, of which adding up in half precision holds 2048."""
    x, total = torch.ones(1, 3, 1, 2100), Apply(lambda x: x.sum(-1))
    assert run(content(export(total, x), Precision.FP16), x).ravel().tolist() == [2100.0] * 3


def test_an_int8_mean_keeps_its_codes() -> None:
    program = quantize(export(Apply(lambda x: x.mean((2, 3), keepdim=True)), X), X)
    (pool,) = [one for one in lowering.to_graph(program, Precision.INT8).operations if one.kind == "GlobalAvgPooling2d"]
    assert pool.output.dtype == "qint8"
    assert pool.fields["flags"] == 0x40
    assert pool.output.quantization is not None
    difference = run(content(program, Precision.INT8), X) - program.module(check_guards=False)(X).numpy()
    assert abs(difference).max() < 1.01 * pool.output.quantization.scale


@pytest.mark.parametrize("shape", [(7,), (6, 7)])
@pytest.mark.parametrize(("precision", "limit"), [(Precision.FP32, 1e-5), (Precision.FP16, 4e-3)])
def test_layer_norm_over_the_last_dimensions(shape: tuple[int, ...], precision: Precision, limit: float) -> None:
    norm = nn.LayerNorm(shape, eps=0.25)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    assert relative_error(run(content(export(norm, X), precision), X), norm(X)) < limit


def test_layer_norm_without_parameters_ends_with_the_division() -> None:
    assert kinds(nn.LayerNorm(7, elementwise_affine=False)) == [
        *("FullyConnected", "Subtract", "Square", "FullyConnected", "Add", "ReciprocalSquareRoot", "Multiply")
    ]
