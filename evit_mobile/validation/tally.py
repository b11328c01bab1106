"""Counts of a classifier's answers that add up exactly, in whatever pieces the images came."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evit_mobile.metrics import Logits, two_sided

Counts = NDArray[np.int64]

BINS = 15
"""Of confidence, each as wide as the others (Guo et al. 2017, arXiv 1706.04599)."""
ONE = 1 << 32
"""What confidence 1 counts: sums of whole numbers do not depend on their order."""
Z_95 = 1.959964
NOTHING = -1
"""The class of an image whose outputs name none."""
ARRAYS = ("unanswered", "bin_images", "bin_hits", "bin_confidence")


@dataclass(slots=True, kw_only=True)
class Tally:
    """Of `images` images. `unanswered` (classes,) counts by label those with a NaN among their outputs, which names no class: they are in
    the counts of all images, and never right. `confusion` (classes, classes) counts labels by predictions. By bin of confidence there are
    the images, the hits, and the sum of confidences in units of 1 / ONE. `agreed` counts equal classes of artefact and reference, `lost`
    hits of the reference alone, `gained` those of the artefact alone; None without a reference.
    """

    images: int
    unanswered: Counts
    top5: int
    confusion: Counts
    bin_images: Counts
    bin_hits: Counts
    bin_confidence: Counts
    agreed: int | None = None
    lost: int | None = None
    gained: int | None = None

    @classmethod
    def of(
        cls, logits: Logits, labels: Counts, expected: Logits | None = None, *, probabilities: bool = False
    ) -> Tally:
        """Of a batch: logits (B, classes), or probabilities, true classes (B,), and the reference's logits."""
        scores = two_sided(logits)
        classes = scores.shape[1]
        answered = ~np.isnan(scores).any(1)
        predicted = np.where(answered, scores.argmax(1), NOTHING)
        own = scores[np.arange(len(labels)), labels][:, None]
        before = (scores == own) & (np.arange(classes) < labels[:, None])  # of equals the first counts, as in argmax
        rank = ((scores > own) | before).sum(1)
        hits = predicted == labels
        named = labels[answered] * classes + predicted[answered]
        confidence = np.rint(ONE * top_probability(scores[answered], probabilities=probabilities)).astype(np.int64)
        bins = np.minimum(confidence * BINS // ONE, BINS - 1)
        tally = cls(
            images=len(labels),
            unanswered=np.bincount(labels[~answered], minlength=classes),
            top5=int((answered & (rank < 5)).sum()),
            confusion=np.bincount(named, minlength=classes**2).reshape(classes, classes),
            bin_images=np.bincount(bins, minlength=BINS),
            bin_hits=np.bincount(bins[hits[answered]], minlength=BINS),
            bin_confidence=np.array([confidence[bins == one].sum() for one in range(BINS)], np.int64),
        )
        if expected is not None:
            theirs = two_sided(expected).argmax(1)
            tally.agreed = int((predicted == theirs).sum())
            tally.lost = int(((theirs == labels) & ~hits).sum())
            tally.gained = int(((theirs != labels) & hits).sum())
        return tally

    def __add__(self, other: Tally) -> Tally:
        def total(name: str) -> Any:
            mine = getattr(self, name)
            return None if mine is None else mine + getattr(other, name)

        return Tally(**{one.name: total(one.name) for one in fields(Tally)})

    @property
    def hits(self) -> int:
        return int(np.trace(self.confusion))

    def recall(self) -> tuple[float | None, ...]:
        """Of each class the share of its images that were recognised, None for a class without images."""
        of_class = self.confusion.sum(1) + self.unanswered
        return tuple(
            None if count == 0 else float(right / count)
            for right, count in zip(np.diag(self.confusion), of_class, strict=True)
        )

    def calibration_error(self) -> tuple[float, float, float]:
        """The expected calibration error, mean over the images of |accuracy - confidence| of their bin, with its 95 % interval.

        The interval takes each bin's confidence as known and its hits as binomial.
        """
        gaps = np.abs(self.bin_hits - self.bin_confidence / ONE)
        shares = self.bin_hits / np.maximum(self.bin_images, 1)
        error = float(gaps.sum() / self.images)
        half = Z_95 * math.sqrt(float((self.bin_images * shares * (1 - shares)).sum())) / self.images
        return error, max(0.0, error - half), min(1.0, error + half)

    def drop(self) -> tuple[float, float, float] | None:
        """Points of top-1 that the artefact loses against the reference, with the 95 % interval of paired answers; None without one."""
        if self.lost is None or self.gained is None:
            return None
        difference = self.lost - self.gained
        spread = math.sqrt(max(0.0, self.lost + self.gained - difference**2 / self.images))
        value, half = (100 * part / self.images for part in (difference, Z_95 * spread))
        return value, value - half, value + half

    def to_json(self) -> dict[str, Any]:
        """Whole numbers alone; of the confusion what is not zero."""
        document = {
            one.name: value.tolist() if isinstance(value := getattr(self, one.name), np.ndarray) else value
            for one in fields(self)
            if one.name != "confusion"
        }
        rows, columns = np.nonzero(self.confusion)
        found = self.confusion[rows, columns]
        triples = [list(map(int, triple)) for triple in zip(rows, columns, found, strict=True)]
        return {**document, "classes": len(self.confusion), "confusion": triples}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Tally:
        """What `to_json` gave."""
        classes = document["classes"]
        confusion = np.zeros((classes, classes), np.int64)
        for label, predicted, count in document["confusion"]:
            confusion[label, predicted] = count
        arrays: dict[str, Any] = {name: np.array(document[name], np.int64) for name in ARRAYS}
        plain: dict[str, Any] = {name: document[name] for name in ("images", "top5", "agreed", "lost", "gained")}
        return cls(confusion=confusion, **arrays, **plain)


def top_probability(scores: Logits, *, probabilities: bool) -> NDArray[np.float64]:
    """Confidence (B,) of the predicted class: the largest probability, of logits by softmax."""
    confidence: NDArray[np.float64] = scores.max(1).astype(np.float64)
    if not probabilities:
        with np.errstate(invalid="ignore"):  # where nothing is finite there is no confidence
            confidence = np.nan_to_num(1 / np.exp(scores.astype(np.float64) - confidence[:, None]).sum(1))
    return confidence.clip(0, 1)


def share_interval(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share in percent (Wilson 1927)."""
    share, z2 = count / total, Z_95**2 / total
    centre = (share + z2 / 2) / (1 + z2)
    half = Z_95 / (1 + z2) * math.sqrt(share * (1 - share) / total + z2 / (4 * total))
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)
