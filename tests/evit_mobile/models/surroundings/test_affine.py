"""Sums and products with constants go into the layers beside them, or become one of each; what is no such thing stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.models.surroundings.affine import along_channels, fold_affine
from tests.evit_mobile.models.surroundings.graphs import Forward, rewritten

MEAN, STD = torch.tensor([0.4, 0.5, -0.3]), torch.tensor([0.2, 0.7, 1.5])
PLANES = (1, 3, 1, 1)
ROUNDING = 1e-6
"""Relative: a few roundings in fp32."""

Case = tuple[Callable[[Any, Tensor], Tensor], tuple[int, ...], list[str]]
FOLDED: dict[str, Case] = {
    "behind a linear layer": (lambda m, x: (m.linear(x) * m.std + m.mean) / 1.7, (2, 3), ["linear"]),
    "before a linear layer": (lambda m, x: m.linear((x - m.mean) / m.std), (2, 3), ["linear"]),
    "on both sides": (lambda m, x: 2 - m.linear(-x) * m.std, (2, 3), ["linear"]),
    "between two": (lambda m, x: m.linear(m.linear(x) + m.mean), (2, 3), ["linear", "linear"]),
    "behind a convolution": (
        lambda m, x: m.convolution(x) * m.std_planes - m.mean_planes,
        (1, 3, 4, 4),
        ["conv2d"],
    ),
    "behind one without a bias": (lambda m, x: m.bare(x) * m.std + 1, (2, 3), ["linear"]),
    "for all that read it": (
        lambda m, x: torch.relu(m.linear(y := x * m.std)) + m.bare(y),
        (2, 3),
        ["linear", "relu", "linear", "add"],
    ),
}
ONE_OF_EACH: dict[str, Case] = {
    "an image": (lambda m, x: (x / 255 - m.mean_planes) / m.std_planes, (1, 3, 4, 4), ["mul", "add"]),
    "from a number": (lambda _, x: 1 - x, (2, 3), ["mul", "add"]),
    "another sign": (lambda _, x: -x, (2, 3), ["mul"]),
    "products alone": (lambda _, x: x * 2 / 3, (2, 3), ["mul"]),
    "sums alone": (lambda m, x: 1 + x - m.mean, (2, 3), ["add"]),
    "nothing in the end": (lambda _, x: torch.relu((x * 4 + 2) / 4 - 0.5), (2, 3), ["relu"]),
    "a row that is also read in between": (
        lambda m, x: torch.relu(y := x * 2) + torch.tanh(y * 3 + m.mean),
        (2, 3),
        ["mul", "relu", "mul", "add", "tanh", "add"],
    ),
}
LEFT: dict[str, Case] = {
    "before a padded convolution": (lambda m, x: m.convolution(x * 2 + 1), (1, 3, 4, 4), ["mul", "add", "conv2d"]),
    "a layer with another reader": (
        lambda m, x: torch.relu(y := m.linear(x)) + y * m.std,
        (2, 3),
        ["linear", "relu", "mul", "add"],
    ),
    "along another dimension": (
        lambda m, x: m.linear(x) * m.rows,
        (2, 4, 3),
        ["linear", "mul"],
    ),
    "a sum that makes it larger": (lambda m, x: x + m.mean, (2, 1), ["add"]),
    "a quotient of a constant": (lambda m, x: m.std / x, (2, 3), ["div"]),
    "two images": (lambda _, x: x * torch.relu(x), (2, 3), ["relu", "mul"]),
}


def check(case: Case) -> None:
    forward, shape, operations = case
    torch.manual_seed(0)
    parts: dict[str, nn.Module | Tensor] = {
        "linear": nn.Linear(3, 3),
        "bare": nn.Linear(3, 3, bias=False),
        "convolution": nn.Conv2d(3, 3, 3, padding=1),
        "mean": MEAN,
        "std": STD,
        "mean_planes": MEAN.view(PLANES),
        "std_planes": STD.view(PLANES),
        "rows": torch.tensor([[1.0], [2.0], [3.0], [4.0]]),
    }
    found, error = rewritten(fold_affine, Forward(forward, **parts), torch.randn(shape))
    assert found == operations
    assert error < ROUNDING


@pytest.mark.parametrize("kind", FOLDED)
def test_constants_beside_a_layer_go_into_it(kind: str) -> None:
    check(FOLDED[kind])


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_constants_in_a_row_become_one_product_and_one_sum(kind: str) -> None:
    check(ONE_OF_EACH[kind])


@pytest.mark.parametrize("kind", LEFT)
def test_what_cannot_go_into_a_layer_stays(kind: str) -> None:
    check(LEFT[kind])


def test_values_along_channels_are_those_that_differ_along_no_other_dimension() -> None:
    assert along_channels(torch.tensor(2.0), (2, 3), -1).tolist() == [2, 2, 2]
    assert along_channels(MEAN.view(PLANES), (1, 3, 4, 5), 1).tolist() == MEAN.tolist()
    assert along_channels(MEAN, (1, 4, 3), 1) is None
