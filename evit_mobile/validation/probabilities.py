"""Artefacts that give probabilities in place of logits: known by their output's name, held against the softmax of logits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from converters.interface import PROBABILITIES
from evit_mobile.metrics import Logits


def gives_probabilities(outputs: Iterable[str]) -> bool:
    """Whether an artefact with outputs of these names gives probabilities and no logits."""
    return PROBABILITIES in outputs


def softmax(logits: Logits) -> Logits:
    """Probabilities over the classes of logits (images, classes) or (images, C, H, W), computed in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)
