"""How far two sets of logits are apart. All arrays are (images, classes); every function also takes (images, C, H, W)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]

SILENT_DB = 200.0
"""SQNR reported for logits that are equal bit by bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`actual` against `expected`. `top1_agreement` is a fraction of the images or, for maps of classes, of the pixels; None for
    features, which have no classes. `max_abs_error` is in the output's own units.
    """

    sqnr_db: float
    cosine: float
    max_abs_error: float
    top1_agreement: float | None


def compare(actual: Logits, expected: Logits, *, classes: bool = True) -> Comparison:
    """All metrics; agreement only of `classes`. Values that are not finite in `actual` give -inf dB and no agreement on their
    images.

    Raises ValueError when the shapes differ.
    """
    if actual.shape != expected.shape:
        raise ValueError(f"shapes {actual.shape} and {expected.shape}")
    if not np.isfinite(actual).all():
        finite = float(np.isfinite(actual).reshape(len(actual), -1).all(1).mean())
        agreement = min(finite, top1_agreement(np.nan_to_num(actual, nan=-math.inf), expected)) if classes else None
        return Comparison(sqnr_db=-math.inf, cosine=math.nan, max_abs_error=math.inf, top1_agreement=agreement)
    return Comparison(
        sqnr_db=sqnr_db(actual, expected),
        cosine=cosine(actual, expected),
        max_abs_error=float(np.abs(actual.astype(np.float64) - expected).max()),
        top1_agreement=top1_agreement(actual, expected) if classes else None,
    )


def sqnr_db(actual: Logits, expected: Logits) -> float:
    """Signal to quantization noise ratio over all images: 10 log10(sum expected^2 / sum (actual - expected)^2), in dB."""
    signal = float(np.square(expected.astype(np.float64)).sum())
    noise = float(np.square(actual.astype(np.float64) - expected).sum())
    if noise == 0:
        return SILENT_DB
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def cosine(actual: Logits, expected: Logits) -> float:
    """Mean over the images of the cosine between the two logit vectors."""
    a = actual.reshape(len(actual), -1).astype(np.float64)
    b = expected.reshape(len(expected), -1).astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(1) / np.maximum(norms, np.finfo(np.float64).tiny)).mean())


def top1_agreement(actual: Logits, expected: Logits) -> float:
    """Fraction of images (or pixels) whose largest logit is the same class."""
    return float((actual.argmax(1) == expected.argmax(1)).mean())


def top_k_accuracy(logits: Logits, labels: NDArray[np.int64], k: int) -> float:
    """Percentage of images whose label is among the k largest logits."""
    k = min(k, logits.shape[1])
    best = np.argpartition(-logits, k - 1, axis=1)[:, :k]
    return float(100 * (best == labels[:, None]).any(1).mean())
