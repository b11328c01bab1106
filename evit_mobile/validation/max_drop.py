"""What `--max-drop` asks for: how many points an artefact loses, measured by running the written file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.export import ExportedProgram

from converters.contract import Judge, Metadata, Precision, Target
from evit_mobile.images.data import Images
from evit_mobile.metrics import Logits, top1_agreement, top_k_accuracy

IMAGES = 1024
"""Held-out images to measure a drop with, where there are as many: one image is then a tenth of a point."""


def lost_points(actual: Logits, expected: Logits, labels: NDArray[np.int64] | None) -> float:
    """Points of top-1 accuracy that `actual` loses against `expected`; of agreement where there are no labels."""
    if labels is None:
        return 100 * (1 - top1_agreement(actual, expected))
    return top_k_accuracy(expected, labels, 1) - top_k_accuracy(actual, labels, 1)


def trial_loss(
    programs: Sequence[tuple[Target, ExportedProgram]],
    expected: Logits,
    images: Images,
    labels: NDArray[np.int64] | None,
) -> float:
    """The most that a file of any of these targets and quantized programs loses, in points. The files are written, run, removed;
    one that an evaluator would run only where no other is asked for.
    """
    fast = [pair for pair in programs if not pair[0].evaluated] or programs
    losses = []
    with tempfile.TemporaryDirectory() as folder:
        for target, program in fast:
            path = Path(folder) / f"trial{target.suffix}"
            target.lower(program, Precision.INT8, path, Metadata(description="trial"))
            losses.append(lost_points(run_artefact(target, path, images), expected, labels))
    return max(losses)


def run_artefact(judge: Judge, path: Path, images: Images) -> Logits:
    """Logits (images, classes) of a written artefact, as a judge computes them. Raises ArtefactError, ToolchainError."""
    runner = judge.load(path)
    return np.concatenate([runner(batch) for batch in images.batches()])
