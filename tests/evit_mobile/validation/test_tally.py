"""Counts add up exactly, and say what they should."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from evit_mobile.metrics import top_k_accuracy
from evit_mobile.validation.tally import Tally, share_interval


def answers(count: int, classes: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, count)
    expected = random.normal(size=(count, classes)).astype(np.float32) + 2 * np.eye(classes, dtype=np.float32)[labels]
    actual = expected + random.normal(scale=0.5, size=expected.shape).astype(np.float32)
    return actual, labels, expected


def test_pieces_add_up_to_the_whole() -> None:
    actual, labels, expected = answers(1000)
    whole = Tally.of(actual, labels, expected).to_json()
    for of in (3, 8):
        parts = [Tally.of(actual[i::of], labels[i::of], expected[i::of]) for i in range(of)]
        read = [Tally.from_json(json.loads(json.dumps(part.to_json()))) for part in parts]
        assert sum(read[1:], read[0]).to_json() == whole
        assert sum(read[::-1][1:], read[-1]).to_json() == whole


def test_what_the_counts_say() -> None:
    actual, labels, expected = answers(500)
    tally = Tally.of(actual, labels, expected)
    assert 100 * tally.hits / 500 == pytest.approx(top_k_accuracy(actual, labels, 1))
    assert 100 * tally.top5 / 500 == pytest.approx(top_k_accuracy(actual, labels, 5))
    assert tally.agreed == int((actual.argmax(1) == expected.argmax(1)).sum())
    drop = tally.drop()
    assert drop is not None
    assert drop[0] == pytest.approx(top_k_accuracy(expected, labels, 1) - top_k_accuracy(actual, labels, 1))
    assert drop[1] < drop[0] < drop[2]
    for name, recall in enumerate(tally.recall()):
        assert recall == pytest.approx((actual.argmax(1)[labels == name] == name).mean())


def test_calibration_error_of_one_who_knows_how_sure_to_be_is_small() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(scale=2, size=(20_000, 5)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (shares.cumsum(1) > random.random(20_000)[:, None]).argmax(1)
    honest, _, high = Tally.of(logits, labels).calibration_error()
    assert honest < 0.02 < 0.1
    boasting, low, _ = Tally.of(5 * logits, labels).calibration_error()
    assert boasting > 0.1 > high
    assert low > honest
    assert Tally.of(shares.astype(np.float32), labels, probabilities=True).calibration_error()[0] == pytest.approx(
        honest, abs=1e-4
    )


def test_of_equals_the_first_counts() -> None:
    tally = Tally.of(np.array([[1, 1, 0, 0, 0, 0, 0]] * 2, np.float32), np.array([1, 0]))
    assert (tally.hits, tally.top5) == (1, 2)


def test_nan_is_no_answer_and_never_right() -> None:
    nan, classes = np.nan, np.eye(7, dtype=np.float32)
    logits = np.array([[nan] * 7, [0, nan, 1, 0, 0, 0, 0], classes[2], [-np.inf, 0, 0, 0, 0, 0, 0]], np.float32)
    tally = Tally.of(logits, np.array([0, 2, 2, 1]), classes[[0, 2, 2, 1]])
    assert (tally.images, tally.hits, tally.top5) == (4, 2, 2)
    assert (tally.agreed, tally.lost, tally.gained) == (2, 2, 0)
    assert tally.unanswered.tolist() == [1, 0, 1, 0, 0, 0, 0]
    assert tally.recall() == (0.0, 1.0, 0.5, None, None, None, None)
    assert tally.bin_images.sum() == 2
    assert (tally + tally).unanswered.tolist() == [2, 0, 2, 0, 0, 0, 0]
    assert Tally.from_json(tally.to_json()).to_json() == tally.to_json()
    alone = Tally.of(np.full((1, 7), nan, np.float32), np.array([3]))
    assert (alone.images, alone.hits, alone.calibration_error()) == (1, 0, (0.0, 0.0, 0.0))


def test_a_single_logit_decides_by_its_sign() -> None:
    tally = Tally.of(np.array([[3.0], [-2.0]], np.float32), np.array([1, 1]))
    assert tally.confusion.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("count", "total", "low", "high"), [(0, 10, 0, 27.75), (5, 10, 23.66, 76.34), (10, 10, 72.25, 100)]
)
def test_intervals_of_shares(count: int, total: int, low: float, high: float) -> None:
    """As statsmodels' proportion_confint(method="wilson") gives them."""
    assert share_interval(count, total) == pytest.approx((low, high), abs=0.01)


def test_an_interval_covers_what_it_says() -> None:
    random = np.random.default_rng(2)
    inside = sum(
        low <= 90 <= high for low, high in (share_interval(int(n), 400) for n in random.binomial(400, 0.9, 2000))
    )
    assert math.isclose(inside / 2000, 0.95, abs_tol=0.02)
