"""Predictions that contradict a guessed order of classes, and those that only look bad."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evit_mobile.images.contradiction import CHANCE_LEVEL, best_match, contradicted, contradiction, tail


def test_the_tail_is_that_of_the_binomial_distribution() -> None:
    assert tail(0, 10, 0.3) == 1
    assert tail(10, 10, 0.5) == pytest.approx(0.5**10)
    assert tail(1, 4, 0.1) == pytest.approx(1 - 0.9**4)
    assert tail(3000, 10_000, 0.1) == 0
    assert sum(tail(k, 20, 0.25) for k in range(1, 21)) == pytest.approx(20 * 0.25)


def test_the_tail_is_exact_and_certain_where_nothing_can_be_missed() -> None:
    exact = sum(math.comb(50, k) * 0.3**k * 0.7 ** (50 - k) for k in range(20, 51))
    assert tail(20, 50, 0.3) == pytest.approx(exact, rel=1e-9)
    assert tail(5, 5, 1.0) == tail(0, 0, 0.5) == 1


def confusion(*rows: list[int]) -> np.ndarray:
    """Counts of labels (rows) by predictions."""
    return np.array(rows, np.int64)


def with_two_right(*rows: list[int]) -> np.ndarray:
    """The same of four classes, of which the first two are always right."""
    return confusion([30, 0, 0, 0], [0, 30, 0, 0], *([0, 0, *row] for row in rows))


def test_classes_that_are_exchanged_are_told_with_what_they_would_be() -> None:
    assert contradicted(with_two_right([0, 20], [20, 0])) == (
        "top-1 of 60.00 % on 100 images would be 100.00 % with the same classes in another order"
    )
    assert contradicted(with_two_right([20, 0], [0, 20])) is None


def test_another_order_has_to_halve_the_errors() -> None:
    """Classes that are merely confused are in no other order: it would leave 18 of 22 errors, and 8 of 32 in the second."""
    assert contradicted(with_two_right([9, 11], [11, 9])) is None
    assert "another order" in str(contradicted(with_two_right([4, 16], [16, 4])))


def test_answering_the_commonest_class_is_guessing() -> None:
    assert contradicted(confusion([90, 0], [10, 0])) == "top-1 of 90.00 % on 100 images is no better than guessing"
    hits = next(hits for hits in range(50, 101) if tail(hits, 100, 0.5) < CHANCE_LEVEL)
    for right, doubted in ((hits - 1, True), (hits, False)):
        found = contradicted(confusion([right - 25, 75 - right], [25, 25]))
        assert (found is not None) is doubted, (right, found)


def test_few_images_of_many_classes_match_any_order() -> None:
    """Two of eight are exchanged: with 4 images a class that says nothing, with 5 it does."""
    for images, doubted in ((4, False), (5, True)):
        counts = images * np.eye(8, dtype=np.int64)[[0, 1, 2, 3, 4, 5, 7, 6]]
        assert (contradicted(counts) is not None) is doubted


def test_logits_are_counted_by_label_and_largest() -> None:
    labels = np.repeat([0, 1, 2, 3], 20)
    logits = np.eye(4, dtype=np.float32)[labels]
    assert contradiction(logits, labels) is None
    assert "would be 100.00 % with" in str(contradiction(logits[:, [1, 0, 2, 3]], labels))
    one = np.where(labels[:40] > 0, 1.0, -1.0)[:, None].astype(np.float32)
    assert contradiction(one, labels[:40]) is None
    assert contradiction(-one, labels[:40]) == "top-1 of 0.00 % on 40 images is no better than guessing"


def test_each_label_and_each_prediction_is_matched_once() -> None:
    counts = confusion([5, 9, 0], [8, 7, 0], [0, 0, 1])
    assert best_match(counts) == 9 + 8 + 1
    assert counts.tolist() == [[5, 9, 0], [8, 7, 0], [0, 0, 1]]
    assert best_match(confusion([0, 0], [0, 0])) == 0
