"""From comparisons to a verdict. What was not run never reads as passed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from converters.contract import FloatType, Precision
from converters.errors import ArtefactError
from evit_mobile.findings import Hop, Recovery, Validation, Verdict
from evit_mobile.metrics import (
    Agreement,
    Logits,
    class_agreements,
    compare,
    least_class_agreement,
    top1_agreement,
    top_k_accuracy,
    top_ties,
)
from evit_mobile.spec import Task
from evit_mobile.thresholds import FEWEST_IMAGES, RECOVERY, Thresholds, limits_for
from evit_mobile.validation.owed import Seen, find_faults
from evit_mobile.validation.probabilities import softmax

AGREEMENTS: dict[Task, Agreement | None] = {
    Task.CLASSIFICATION: top1_agreement,
    Task.MULTILABEL: least_class_agreement,
    Task.SEGMENTATION: top1_agreement,
    Task.FEATURES: None,
}
"""How often an artefact decides as the reference does, by task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a verdict depends on beside the outputs. `recovery` is the reference's where it is a variation: its artefacts only pass if
    it came close enough to the original. `max_drop` is a limit of the user's own, in points. With `allow_few` few images are enough.
    `floats` are those that the judge computes every file in, None where it computes a file in its own.
    With `probabilities` the artefact gives these, and every stage before it is compared by the softmax of its logits.
    `half_sums` says that the judge's runtime adds up in fp16. Not `counted`, nothing is asked of how many images agree.
    """

    precision: Precision
    task: Task = Task.CLASSIFICATION
    recovery: Recovery | None = None
    max_drop: float | None = None
    allow_few: bool = False
    probabilities: bool = False
    floats: FloatType | None = None
    half_sums: bool = False
    counted: bool = True


def judge(stages: list[tuple[str, Logits]], labels: NDArray[np.int64] | None, runtime: str, terms: Terms) -> Validation:
    """Verdict over `stages`, the outputs of the reference first and of the artefact last, as (name, output) each.

    An output is (images, classes), or (images, C, H, W) for segmentation and features. `labels` (images,) are the true
    classes, or None. Raises ArtefactError for an artefact whose outputs have another shape than the reference's.
    """
    agreement = AGREEMENTS[terms.task]
    if terms.probabilities:
        stages = [*((name, softmax(logits)) for name, logits in stages[:-1]), stages[-1]]
    reference, artefact = stages[0][1], stages[-1][1]
    check_shape(artefact, reference)
    hops = tuple(
        Hop(
            start=before,
            end=name,
            step=compare(logits, previous, agreement),
            total=compare(logits, reference, agreement),
        )
        for (before, previous), (name, logits) in pairwise(stages)
    )
    total = hops[-1].total
    top1_reference = None if labels is None else top_k_accuracy(reference, labels, 1)
    top1_artefact = None if labels is None else top_k_accuracy(artefact, labels, 1)
    few = too_few(len(reference), terms)
    limits = limits_for(terms.precision, terms.max_drop, terms.floats, half_sums=terms.half_sums)
    detail = "" if agreement is None else shortfall(reference, artefact, terms.task)
    seen = Seen(hops=hops, top1_reference=top1_reference, top1_artefact=top1_artefact, detail=detail)
    faults = find_faults(seen, uncounted(limits) if few or not terms.counted else limits)
    faults += recovery_faults(terms.recovery)
    verdict, reason = conclude(faults, few, terms.recovery)
    return Validation(
        verdict=verdict,
        reason=reason,
        images=len(reference),
        runtime=runtime,
        sqnr_db=total.sqnr_db,
        cosine=total.cosine,
        max_abs_error=total.max_abs_error,
        top1_agreement=total.top1_agreement,
        top1_reference=top1_reference,
        top1_artefact=top1_artefact,
        top_ties=top_ties(artefact) if agreement is top1_agreement else None,
        hops=hops,
        probabilities=terms.probabilities,
    )


def check_shape(artefact: Logits, reference: Logits) -> None:
    """Raises ArtefactError for outputs of another shape than the reference's."""
    if artefact.shape != reference.shape:
        raise ArtefactError(
            got=f"outputs of shape {artefact.shape[1:]}",
            allowed=f"{reference.shape[1:]}, as the reference gives",
            do="convert again: the file is of another model",
        )


def shortfall(reference: Logits, artefact: Logits, task: Task) -> str:
    """What there is to say about a low agreement: which of several labels it is of, or that classes tie."""
    if task is Task.MULTILABEL:
        return f", of class {class_agreements(artefact, reference).argmin()}, which agrees least"
    ties = top_ties(artefact)
    if 2 * ties < 1 - top1_agreement(artefact, reference):
        return ""
    return f": on {100 * ties:.1f} % the largest logit is that of several of {artefact.shape[1]} classes"


def too_few(images: int, terms: Terms) -> str | None:
    """Why so many images are no proof, in words; None where they are enough."""
    fewest = FEWEST_IMAGES[terms.task]
    if images >= fewest or terms.allow_few:
        return None
    return f"too few to judge: {images} held-out images, at least {fewest} required (more images, or --allow-few)"


def uncounted(limits: Thresholds) -> Thresholds:
    """`limits` without what counts images, which means nothing for few; SQNR is known from one."""
    return replace(limits, min_top1_agreement=0.0, max_top1_drop=100.0)


def conclude(faults: list[str], few: str | None, recovery: Recovery | None) -> tuple[Verdict, str]:
    """The verdict and its reason: a fault that was seen is one, however few images showed it."""
    if faults:
        return Verdict.FAILED, "; ".join(faults)
    if few is not None:
        return Verdict.NOT_RUN, few
    met = "all thresholds met"
    if recovery is not None:
        met += f", as {recovery.variation}: not the original's function"
    return Verdict.PASSED, met


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
