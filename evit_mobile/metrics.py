"""How far two sets of logits are apart. All arrays are (images, classes); every function also takes (images, C, H, W)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evit_mobile.figures import Comparison

Logits = NDArray[np.float32]
Agreement = Callable[[Logits, Logits], float]
"""Of the decisions that two sets of logits make, a fraction."""

SILENT_DB = 200.0
"""SQNR reported for logits that are equal bit by bit."""


def compare(actual: Logits, expected: Logits, agreement: Agreement | None = None) -> Comparison:
    """All metrics, `agreement` where decisions can be told. Values that are not finite in `actual` give -inf dB and no agreement on
    their images.

    Raises ValueError when the shapes differ.
    """
    if actual.shape != expected.shape:
        raise ValueError(f"shapes {actual.shape} and {expected.shape}")
    if not np.isfinite(actual).all():
        finite = float(np.isfinite(actual).reshape(len(actual), -1).all(1).mean())
        agreeing = None if agreement is None else min(finite, agreement(np.nan_to_num(actual, nan=-math.inf), expected))
        return Comparison(sqnr_db=-math.inf, cosine=math.nan, max_abs_error=math.inf, top1_agreement=agreeing)
    return Comparison(
        sqnr_db=sqnr_db(actual, expected),
        cosine=cosine(actual, expected),
        max_abs_error=float(np.abs(actual.astype(np.float64) - expected).max()),
        top1_agreement=None if agreement is None else agreement(actual, expected),
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


def two_sided(logits: Logits) -> Logits:
    """Logits of at least two classes: a single one, x, decides between two, whose logits are 0 and x."""
    return logits if logits.shape[1] > 1 else np.concatenate([np.zeros_like(logits), logits], axis=1)


def top1_agreement(actual: Logits, expected: Logits) -> float:
    """Fraction of images (or pixels) whose largest logit is the same class, or whose single logit has the same sign."""
    return float((two_sided(actual).argmax(1) == two_sided(expected).argmax(1)).mean())


def class_agreements(actual: Logits, expected: Logits) -> NDArray[np.float64]:
    """(classes,) fraction of images on which the logit of each class has the same sign."""
    agreements: NDArray[np.float64] = ((actual > 0) == (expected > 0)).mean(0)
    return agreements


def least_class_agreement(actual: Logits, expected: Logits) -> float:
    """That of the class that agrees least."""
    return float(class_agreements(actual, expected).min())


def top_ties(logits: Logits) -> float:
    """Fraction of images (or pixels) whose largest logit is that of several classes: which of them wins says nothing."""
    return float(((logits == logits.max(1, keepdims=True)).sum(1) > 1).mean())


def top_k_accuracy(logits: Logits, labels: NDArray[np.int64], k: int) -> float:
    """Percentage of images whose label is among the k largest logits; of a single logit the labels are 0 and 1. NaN names no class."""
    logits = two_sided(logits)
    k = min(k, logits.shape[1])
    best = np.argpartition(-logits, k - 1, axis=1)[:, :k]
    hits = (best == labels[:, None]).any(1) & ~np.isnan(logits).any(1)
    return float(100 * hits.mean())
