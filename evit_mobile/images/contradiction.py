"""Whether what a model predicts contradicts labels whose order is a guess. Logits are (images, classes), labels (images,)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from evit_mobile.metrics import Logits, two_sided

CHANCE_LEVEL = 0.01
"""Accuracy is no better than guessing where guessing reaches it with at least this probability."""
IMAGES_PER_CLASS = 5
"""Fewer, on average, can be matched with any predictions."""


def contradiction(logits: Logits, labels: NDArray[np.int64]) -> str | None:
    """In words, how the predictions contradict the order of the classes; None where they do not."""
    scores = two_sided(logits)
    counts = np.zeros((scores.shape[1], scores.shape[1]), np.int64)
    np.add.at(counts, (labels, scores.argmax(1)), 1)
    return contradicted(counts)


def contradicted(confusion: NDArray[np.int64]) -> str | None:
    """As `contradiction`, of counts (classes, classes) of labels by predictions.

    They do where always answering the commonest class would be as right with a probability of CHANCE_LEVEL or more (one-sided binomial
    test) and accuracy is nearer to that than to 1; and where another order of the same classes would leave less than half of the errors.
    """
    classes, images, hits = len(confusion), int(confusion.sum()), int(np.trace(confusion))
    top1 = f"top-1 of {100 * hits / images:.2f} % on {images} images"
    share = float(confusion.sum(1).max()) / images
    if hits / images < (1 + share) / 2 and tail(hits, images, share) >= CHANCE_LEVEL:
        return f"{top1} is no better than guessing"
    matched = best_match(confusion) if images >= IMAGES_PER_CLASS * classes else hits
    if images - matched < (images - hits) / 2:
        return f"{top1} would be {100 * matched / images:.2f} % with the same classes in another order"
    return None


def best_match(confusion: NDArray[np.int64]) -> int:
    """Images that are right when each label stands for one class of its own, the commonest pairs matched first."""
    counts, matched = confusion.copy(), 0
    while counts.any():
        label, prediction = np.unravel_index(counts.argmax(), counts.shape)
        matched += int(counts[label, prediction])
        counts[label, :] = counts[:, prediction] = 0
    return matched


def tail(hits: int, trials: int, probability: float) -> float:
    """Probability of at least `hits` in `trials` with `probability` each: the binomial distribution's upper tail."""
    if probability >= 1 or hits <= 0:
        return 1.0
    odds = math.log(probability), math.log1p(-probability)
    total = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(total - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * odds[0] + (trials - k) * odds[1])
        for k in range(hits, trials + 1)
    )
