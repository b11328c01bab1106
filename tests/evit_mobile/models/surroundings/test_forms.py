"""Each operation in the form that all formats have gives what torch's own gives, or is left to be refused by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from evit_mobile.models.surroundings.forms import (
    FORMS,
    absolute,
    adaptive_average,
    average_pool,
    batch_norm,
    elu,
    expand,
    expm1,
    flip,
    hard_sigmoid,
    leaky_relu,
    log1p,
    log_sigmoid,
    log_softmax,
    mish,
    power,
    prelu,
    repeat,
    silu,
    softplus,
    squeeze,
    stack,
    vector_norm,
)

POINTS = torch.cat([torch.linspace(-6, 6, 49), torch.tensor([-80.0, -25.0, 25.0, 80.0])])
SLOPES = torch.tensor([0.1, -0.5, 2.0]).view(3, 1, 1)


@pytest.mark.parametrize(
    ("form", "own"),
    [
        (silu, F.silu),
        (leaky_relu, F.leaky_relu),
        (lambda x: leaky_relu(x, 0.3), lambda x: F.leaky_relu(x, 0.3)),
        (elu, F.elu),
        (lambda x: elu(x, 0.7, 1.3, 0.5), lambda x: torch.ops.aten.elu(x, 0.7, 1.3, 0.5)),
        (lambda x: elu(x, 1.6732632423543772, 1.0507009873554805), F.selu),
        (hard_sigmoid, F.hardsigmoid),
        (softplus, F.softplus),
        (lambda x: softplus(x, 3.0), lambda x: F.softplus(x, 3.0)),
        (mish, F.mish),
        (lambda x: log_sigmoid(x)[0], F.logsigmoid),
        (absolute, torch.abs),
        (lambda x: power(x, 2), torch.square),
        (lambda x: log1p(x.relu()), lambda x: torch.log1p(x.relu())),
        (lambda x: expm1(x.clamp_max(3)), lambda x: torch.expm1(x.clamp_max(3))),
    ],
)
def test_activations(form: Callable[[Tensor], Tensor], own: Callable[[Tensor], Tensor]) -> None:
    assert torch.allclose(form(POINTS), own(POINTS), rtol=1e-6, atol=1e-6)


def test_a_slope_for_each_channel() -> None:
    x = torch.randn(2, 3, 4, 4)
    assert torch.allclose(prelu(x, SLOPES), F.prelu(x, SLOPES.flatten()))


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_the_logarithm_of_a_softmax_stays_finite(scale: float) -> None:
    x = torch.tensor([[0.0, 1.0, -2.0, 0.5], [3.0, 3.0, 3.0, 3.0]]) * scale
    rounding = 4 * 2.0**-24 * float(x.abs().max())  # a few of the largest logit, to which the others are compared
    assert torch.allclose(log_softmax(x, 1), F.log_softmax(x, 1), rtol=1e-5, atol=rounding)
    assert torch.allclose(log_softmax(x.t(), 0), F.log_softmax(x, 1).t(), rtol=1e-5, atol=rounding)


@pytest.mark.parametrize("affine", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5)])
def test_a_batch_norm_has_its_running_statistics(shape: tuple[int, ...], affine: tuple[bool, bool]) -> None:
    x, mean, var = torch.randn(shape), torch.tensor([0.3, -1.0, 2.0]), torch.tensor([0.5, 1.0, 4.0])
    weight, bias = (
        value if wanted else None
        for value, wanted in zip((torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.1, 0.2, 0.3])), affine, strict=True)
    )
    out, *training = batch_norm(x, weight, bias, mean, var, 0.1, 1e-3)
    assert torch.allclose(out, F.batch_norm(x, mean, var, weight, bias, eps=1e-3), atol=1e-6)
    assert [tensor.numel() for tensor in training] == [0, 0]


X = torch.arange(24.0).view(1, 2, 3, 4) - 7


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (vector_norm(X, 2.0, [1], True), X.norm(dim=1, keepdim=True)),
        (vector_norm(X, dim=(2, 3)), X.norm(dim=(2, 3))),
        (adaptive_average(X, (1, 1)), F.adaptive_avg_pool2d(X, 1)),
        (average_pool(X, [3, 4]), F.avg_pool2d(X, (3, 4))),
        (average_pool(X[..., :3], [3], [1], [0, 0]), F.avg_pool2d(X[..., :3], 3)),
        (expand(X, [2, 5, -1, 3, 4][:1] + [1, -1, 3, 4][1:]), X.expand(2, -1, 3, 4)),
        (expand(X[0, 0, 0], [2, 3, -1]), X[0, 0, 0].expand(2, 3, 4)),
        (repeat(X, [2, 1, 1, 3]), X.repeat(2, 1, 1, 3)),
        (repeat(X[0, 0], [2, 1, 1, 2]), X[0, 0].repeat(2, 1, 1, 2)),
        (flip(X, [1, -1]), X.flip(1, 3)),
        (stack([X, -X], 1), torch.stack([X, -X], 1)),
        (stack([X, -X], -1), torch.stack([X, -X], -1)),
        (squeeze(X[:, :1]), X[:, :1].squeeze()),
    ],
)
def test_shapes_and_sums(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert torch.allclose(found, expected)


def test_what_changes_no_shape_does_nothing() -> None:
    assert expand(X, [1, 2, 3, 4]).data_ptr() == X.data_ptr()
    assert repeat(X, [1, 1, 1, 1]).data_ptr() == X.data_ptr()


@pytest.mark.parametrize(
    "left",
    [
        lambda: power(X, 3),
        lambda: power(X, 0.5),
        lambda: vector_norm(X, 1, [1]),
        lambda: vector_norm(X),
        lambda: vector_norm(X, 2, [1], dtype=torch.float64),
        lambda: adaptive_average(X, [2, 1]),
        lambda: average_pool(X, [2, 2]),
        lambda: average_pool(X, [3, 4], [1, 1], [1, 1]),
        lambda: average_pool(X, [3, 4], ceil_mode=True),
        lambda: flip(torch.zeros(1, 33), [1]),
    ],
)
def test_other_uses_are_left_as_they_are(left: Callable[[], Any]) -> None:
    assert left() is NotImplemented


def test_forms_stand_for_operations_of_torch() -> None:
    assert all(str(operation).startswith("aten.") for operation in FORMS)
