"""How far two sets of logits are apart: each figure by hand, and what is not finite is never good."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evit_mobile.metrics import (
    SILENT_DB,
    class_agreements,
    compare,
    cosine,
    least_class_agreement,
    sqnr_db,
    top1_agreement,
    top_k_accuracy,
    top_ties,
    two_sided,
)
from tests.evit_mobile.validation.test_verdict import LOGITS, noisy


@given(st.floats(5, 80))
def test_sqnr_measures_the_noise_put_in(db: float) -> None:
    assert sqnr_db(noisy(db), LOGITS) == pytest.approx(db, abs=0.1)


def test_equal_logits() -> None:
    result = compare(LOGITS, LOGITS, top1_agreement)
    assert (result.sqnr_db, result.max_abs_error, result.top1_agreement) == (SILENT_DB, 0.0, 1.0)
    assert result.cosine == pytest.approx(1.0)


def test_cosine_and_agreement() -> None:
    assert cosine(-LOGITS, LOGITS) == pytest.approx(-1.0)
    swapped = LOGITS.copy()
    swapped[:30] = swapped[:30, ::-1]
    changed = (swapped.argmax(1) != LOGITS.argmax(1)).mean()
    assert top1_agreement(swapped, LOGITS) == pytest.approx(1 - changed)


def test_top_k_accuracy() -> None:
    labels = LOGITS.argsort(1)[:, -3]
    assert top_k_accuracy(LOGITS, labels, 1) == 0
    assert top_k_accuracy(LOGITS, labels, 2) == 0
    assert top_k_accuracy(LOGITS, labels, 3) == 100
    assert top_k_accuracy(LOGITS, labels, 50) == 100


def test_nan_names_no_class() -> None:
    assert top_k_accuracy(np.full((2, 3), np.nan, np.float32), np.array([0, 2]), 3) == 0
    assert top_k_accuracy(np.array([[np.nan], [1]], np.float32), np.array([0, 1]), 1) == 50


def test_other_shapes_are_an_error() -> None:
    with pytest.raises(ValueError, match="shapes"):
        compare(LOGITS[:, :5], LOGITS)


def test_sqnr_by_hand_and_without_a_signal() -> None:
    expected = np.array([[3.0, 4.0]], np.float32)
    assert sqnr_db(np.array([[3.0, 4.5]], np.float32), expected) == pytest.approx(20)  # 10 log10(25 / 0.25)
    assert sqnr_db(expected * 0, expected) == 0
    assert sqnr_db(expected, expected * 0) == -math.inf
    assert sqnr_db(expected * 0, expected * 0) == SILENT_DB


def test_large_logits_do_not_overflow_what_adds_them_up() -> None:
    large = np.full((4, 4), 1e30, np.float32)
    assert sqnr_db(large * np.float32(1.1), large) == pytest.approx(20, abs=1e-3)
    assert compare(large, large).cosine == pytest.approx(1)


def test_cosine_is_a_mean_over_images_and_zero_without_a_direction() -> None:
    expected = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    assert cosine(np.array([[1.0, 1.0], [0.0, 5.0]], np.float32), expected) == pytest.approx((math.sqrt(0.5) + 1) / 2)
    assert cosine(expected * 0, expected) == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_image_that_is_not_finite_never_agrees(value: float) -> None:
    """Not even where its largest finite logit is the right class."""
    expected = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], np.float32)
    actual = expected.copy()
    actual[0, 1] = value
    found = compare(actual, expected, top1_agreement)
    assert (found.sqnr_db, found.max_abs_error) == (-math.inf, math.inf)
    assert math.isnan(found.cosine)
    assert found.top1_agreement == 0.75
    assert compare(actual, expected).top1_agreement is None


def test_a_value_that_is_no_number_is_never_the_largest() -> None:
    """Taken for 0 it would be, and the image would make up for another that is wrong."""
    expected = np.array([[0.0, -1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], np.float32)
    actual = expected.copy()
    actual[0, 0] = math.nan
    actual[1] = expected[1, ::-1]
    assert compare(actual, expected, top1_agreement).top1_agreement == 0.5


def test_maps_are_compared_pixel_by_pixel() -> None:
    expected = np.zeros((1, 3, 2, 2), np.float32)
    expected[0, 1] = 1
    actual = expected.copy()
    actual[0, 2, 0, 0] = 9
    assert top1_agreement(actual, expected) == 0.75
    assert compare(actual, expected, top1_agreement).max_abs_error == 9
    assert top_ties(expected * 0) == 1
    assert top_ties(actual) == 0


def test_one_logit_decides_between_two_classes() -> None:
    one = np.array([[2.0], [-3.0], [0.0]], np.float32)
    np.testing.assert_array_equal(two_sided(one), [[0, 2], [0, -3], [0, 0]])
    assert two_sided(LOGITS) is LOGITS
    assert top_k_accuracy(one, np.array([1, 0, 0]), 1) == 100
    assert top1_agreement(one, one + 1) == pytest.approx(2 / 3)  # the sign of the third changes


def test_of_several_labels_the_worst_is_told() -> None:
    expected = np.array([[1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], np.float32)
    actual = expected.copy()
    actual[:3, 1] *= -1
    actual[0, 0] = -1
    np.testing.assert_array_equal(class_agreements(actual, expected), [0.75, 0.25])
    assert least_class_agreement(actual, expected) == 0.25


def test_a_tie_is_one_at_the_top_only() -> None:
    assert top_ties(np.array([[1.0, 1.0, 0.0], [2.0, 1.0, 1.0], [0.0, 3.0, 3.0], [0.0, 0.0, 1.0]], np.float32)) == 0.5
