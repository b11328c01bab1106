"""Values that only move: to where PyTorch moves them, bit by bit, whatever way an index is written."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.converters.coreml.mil_programs import X, of_function

CASES: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "a slice from the end": (lambda x: x[:, -2:], ["slice_by_index"]),
    "a slice beyond the end": (lambda x: x[:, 4:99], ["slice_by_index"]),
    "every second, an odd number": (lambda x: x[..., ::2], ["slice_by_index"]),
    "every third but the first": (lambda x: x[:, 1::3], ["slice_by_index"]),
    "the last of a dimension from the end": (lambda x: x.select(-1, -1), ["slice_by_index", "squeeze"]),
    "the first": (lambda x: x.select(1, 0), ["slice_by_index", "squeeze"]),
    "pieces with a rest": (lambda x: torch.cat(x.split(4, 1)[::-1], 1), ["slice_by_index"] * 2 + ["concat"]),
    "pieces of given sizes": (lambda x: torch.cat(x.split([1, 4], -1)[::-1], -1), ["slice_by_index"] * 2 + ["concat"]),
    "fewer chunks than asked for": (lambda x: torch.cat(x.chunk(4, 1)[::-1], 1), ["slice_by_index"] * 3 + ["concat"]),
    "a concatenation from the end": (lambda x: torch.cat([x, x], -1), ["concat"]),
    "padding on one side": (lambda x: F.pad(x, (1, 0)), ["pad"]),
    "padding of three dimensions": (lambda x: F.pad(x, (1, 2, 3, 4, 5, 6), value=0.5), ["pad"]),
    "padding by reflection": (lambda x: F.pad(x, (1, 2, 3, 1), mode="reflect"), ["pad"]),
    "permutation from the end": (lambda x: x.permute(0, -1, 1, -2), ["transpose"]),
    "a transpose from the end": (lambda x: x.transpose(-1, 1), ["transpose"]),
    "a view with the rest": (lambda x: x.reshape(1, -1, 2, 5), ["reshape"]),
    "a dimension more": (lambda x: x.unsqueeze(-1), ["reshape"]),
    "a dimension less": (lambda x: x[:, :1].squeeze(1), ["slice_by_index", "reshape"]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_operations(name: str) -> None:
    function, expected = CASES[name]
    actual, kinds = of_function(function)
    assert kinds == expected
    np.testing.assert_array_equal(actual, function(X).numpy())


def test_what_changes_nothing_is_no_operation() -> None:
    """A view to the same shape, copies, and dropout outside of training."""
    actual, kinds = of_function(lambda x: F.dropout(x.reshape(1, 6, 4, 5).clone().contiguous(), training=False) * 2)
    assert kinds == ["mul"]
    np.testing.assert_array_equal(actual, 2 * X.numpy())


def test_a_constant_is_concatenated_as_it_is() -> None:
    token = torch.arange(20.0).reshape(1, 1, 4, 5)
    actual, kinds = of_function(lambda x, token: torch.cat([token, x], 1), token)
    assert kinds == ["concat"]
    np.testing.assert_array_equal(actual, torch.cat([token, X], 1).numpy())
