"""From comparisons to a verdict. What was not run never reads as passed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from converters.contract import Precision
from evit_mobile.findings import Hop, Recovery, Validation, Verdict
from evit_mobile.metrics import Logits, compare, top_k_accuracy
from evit_mobile.spec import Task
from evit_mobile.thresholds import RECOVERY, Thresholds, limits_for


def judge(
    stages: list[tuple[str, Logits]],
    labels: NDArray[np.int64] | None,
    precision: Precision,
    runtime: str,
    recovery: Recovery | None = None,
    max_drop: float | None = None,
    task: Task = Task.CLASSIFICATION,
) -> Validation:
    """Verdict over `stages`, the outputs of the reference first and of the artefact last, as (name, output) each.

    An output is (images, classes), or (images, C, H, W) for segmentation and features. `labels` (images,) are the true
    classes, or None. `recovery` is the reference's where it is a variation: its artefacts only pass if it came close enough to
    the original. `max_drop` is a limit of the user's own, in points.
    """
    classes = task is not Task.FEATURES
    reference, artefact = stages[0][1], stages[-1][1]
    hops = tuple(
        Hop(
            start=before,
            end=name,
            step=compare(logits, previous, classes=classes),
            total=compare(logits, reference, classes=classes),
        )
        for (before, previous), (name, logits) in pairwise(stages)
    )
    total = hops[-1].total
    top1_reference = None if labels is None else top_k_accuracy(reference, labels, 1)
    top1_artefact = None if labels is None else top_k_accuracy(artefact, labels, 1)
    faults = find_faults(hops, limits_for(precision, max_drop), top1_reference, top1_artefact) + recovery_faults(
        recovery
    )
    met = "all thresholds met"
    if recovery is not None:
        met += f", as {recovery.variation}: not the original's function"
    return Validation(
        verdict=Verdict.FAILED if faults else Verdict.PASSED,
        reason="; ".join(faults) if faults else met,
        images=len(reference),
        runtime=runtime,
        sqnr_db=total.sqnr_db,
        cosine=total.cosine,
        max_abs_error=total.max_abs_error,
        top1_agreement=total.top1_agreement,
        top1_reference=top1_reference,
        top1_artefact=top1_artefact,
        hops=hops,
    )


def find_faults(
    hops: tuple[Hop, ...], limits: Thresholds, top1_reference: float | None, top1_artefact: float | None
) -> list[str]:
    """Every threshold that is missed, in words. A NaN misses every threshold."""
    last = hops[-1]
    measured = [
        (last.total.sqnr_db, limits.min_sqnr_db, "SQNR {0:.1f} dB, at least {1:.1f} dB required"),
    ]
    if last.total.top1_agreement is not None:
        measured.append(
            (last.total.top1_agreement, limits.min_top1_agreement, "agreement {0:.4f}, at least {1:.4f} required")
        )
    if len(hops) > 1:  # proven again later, an artefact is held against the reference alone
        against = f"SQNR {{0:.1f}} dB against the {last.start} program, at least {{1:.1f}} dB required"
        measured.append((last.step.sqnr_db, limits.min_faithful_db, against))
    if top1_reference is not None and top1_artefact is not None:
        floor = top1_reference - limits.max_top1_drop
        measured.append((top1_artefact, floor, "top-1 {0:.2f} %, at least {1:.2f} % required"))
    return [text.format(value, limit) for value, limit, text in measured if not value >= limit]


def recovery_faults(recovery: Recovery | None) -> list[str]:
    """How a variation falls short of the original, in words; nothing for an original."""
    if recovery is None:
        return []
    after, name = recovery.after, f"recovered {recovery.variation} against the original"
    faults = []
    if not after.agreement >= RECOVERY.min_agreement:
        faults.append(f"{name}: agreement {after.agreement:.4f}, at least {RECOVERY.min_agreement:.4f} required")
    if after.top1 is not None and recovery.original_top1 is not None:
        floor = recovery.original_top1 - RECOVERY.max_top1_drop
        if not after.top1 >= floor:
            faults.append(f"{name}: top-1 {after.top1:.2f} %, at least {floor:.2f} % required")
    return faults
