"""Probabilities in place of logits: known by the output's name, and computed without overflow."""

from __future__ import annotations

import numpy as np
import pytest

from evit_mobile.validation.probabilities import gives_probabilities, softmax
from tests.evit_mobile.validation.test_verdict import RNG


def test_softmax_of_maps_and_of_large_logits() -> None:
    maps = softmax(1e4 * RNG.normal(size=(2, 5, 3, 4)).astype(np.float32))
    assert np.allclose(maps.sum(1), 1)


def test_softmax_is_torchs() -> None:
    import torch

    logits = np.random.default_rng(0).normal(scale=5, size=(20, 7)).astype(np.float32)
    expected = torch.from_numpy(logits).double().softmax(1).float().numpy()
    found = softmax(logits)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)


def test_the_smallest_probabilities_are_not_lost_before_the_last_rounding() -> None:
    found = softmax(np.array([[0.0, -80.0]], np.float32))
    np.testing.assert_allclose(found, [[1, np.exp(-80.0)]], rtol=1e-6)
    np.testing.assert_allclose(softmax(np.zeros((1, 4), np.float32)), 0.25)
    assert softmax(np.array([[3.0]], np.float32)).tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["probabilities"], True),
        (["logits", "probabilities"], True),
        (["logits"], False),
        (["prob"], False),
        ([], False),
    ],
)
def test_an_artefact_says_by_name_what_it_gives(names: list[str], expected: bool) -> None:
    assert gives_probabilities(names) is expected
