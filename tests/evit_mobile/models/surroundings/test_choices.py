"""The choice and order of classes become slices or a matrix, products with a constant matrix a layer; the rest stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from evit_mobile.models.surroundings import choices
from evit_mobile.models.surroundings.choices import rewrite_choices
from tests.evit_mobile.models.surroundings.graphs import Forward, rewritten

Step = Callable[[Any, Tensor], Tensor]
REVERSED = torch.arange(79, -1, -1)
"""80 runs of one place each."""


@pytest.mark.parametrize(
    ("places", "operations"),
    [
        ([1, 2, 3], ["slice"]),
        ([0], ["slice"]),
        ([5, 0, 1, 2], ["slice", "slice", "cat"]),
        ([2, 2, 2], ["slice", "slice", "slice", "cat"]),
        ([-1, 0], ["slice", "slice", "cat"]),
        ([4, 5, 0], ["slice", "slice", "cat"]),
    ],
)
def test_a_choice_is_a_slice_for_each_run_of_places(places: list[int], operations: list[str]) -> None:
    module = Forward(lambda m, x: x[:, m.order], order=torch.tensor(places))
    assert rewritten(rewrite_choices, module, torch.randn(2, 6)) == (operations, 0)


def test_classes_are_selected_along_any_dimension() -> None:
    module = Forward(lambda m, x: x.index_select(1, m.order), order=torch.tensor([2, 1, 0]))
    found, error = rewritten(rewrite_choices, module, torch.randn(1, 3, 4, 4))
    assert (found, error) == (["slice", "slice", "slice", "cat"], 0)


@pytest.mark.parametrize("forward", [lambda m, x: x[:, m.order], lambda m, x: x.index_select(-1, m.order)])
def test_a_long_choice_is_a_product_with_zeros_and_ones(forward: Step) -> None:
    found, error = rewritten(rewrite_choices, Forward(forward, order=REVERSED), torch.randn(2, 80))
    assert (found, error) == (["linear"], 0)


def test_a_long_choice_of_planes_stays() -> None:
    module = Forward(lambda m, x: x[:, m.order], order=REVERSED)
    assert rewritten(rewrite_choices, module, torch.randn(1, 80, 2, 2)) == (["index"], 0)


def test_a_matrix_that_would_be_too_large_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "LARGEST_SELECTION", 80 * 80 - 1)
    module = Forward(lambda m, x: x[:, m.order], order=REVERSED)
    assert rewritten(rewrite_choices, module, torch.randn(2, 80)) == (["index"], 0)


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: x[m.order, m.order],
        lambda m, x: x[:, m.square],
        lambda m, x: m.square[x.argmax(1)].float(),
    ],
)
def test_choices_of_other_kinds_stay(forward: Step) -> None:
    module = Forward(forward, order=torch.tensor([1, 0]), square=torch.tensor([[0, 1], [1, 0]]))
    found, error = rewritten(rewrite_choices, module, torch.randn(2, 2))
    assert "index" in found
    assert error == 0


@pytest.mark.parametrize(
    ("forward", "operations"),
    [
        (lambda m, x: x @ m.matrix, ["linear"]),
        (lambda m, x: torch.mm(x, m.matrix), ["linear"]),
        (lambda m, x: torch.addmm(m.bias, x, m.matrix), ["linear"]),
        (lambda m, x: torch.addmm(m.bias, x, m.matrix, beta=2), ["addmm"]),
        (lambda m, x: torch.addmm(m.biases, x, m.matrix), ["addmm"]),
        (lambda m, x: m.matrix.t() @ x.t(), ["t", "t", "matmul"]),
        (lambda _, x: x @ x.t(), ["t", "matmul"]),
        (lambda m, x: x @ m.bias[:3], ["slice", "matmul"]),
    ],
)
def test_a_product_with_a_constant_matrix_is_a_layer(forward: Step, operations: list[str]) -> None:
    torch.manual_seed(0)
    parts = {"matrix": torch.randn(3, 4), "bias": torch.randn(4), "biases": torch.randn(2, 4)}
    found, error = rewritten(rewrite_choices, Forward(forward, **parts), torch.randn(2, 3))
    assert found == operations
    assert error < 1e-6
