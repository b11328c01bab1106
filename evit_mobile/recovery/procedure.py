"""recover(): a variation of a reference, taught to follow it, as a checkpoint of its own."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calib.datasets import ImageDataset
from evit_mobile.errors import UsageError
from evit_mobile.findings import Likeness, Recovery
from evit_mobile.images.data import Images, calibration_images, held_out_images
from evit_mobile.labels import classes_of, known_labels, renamed
from evit_mobile.metrics import Logits, top1_agreement, top_k_accuracy
from evit_mobile.models.variations import replaced_blocks, vary
from evit_mobile.models.weights.recovered import write_recovered
from evit_mobile.models.weights.template import template
from evit_mobile.prepare.preparation import run_module
from evit_mobile.progress import Report
from evit_mobile.recovery.distil import BATCH, end_to_end, layer_wise, learn
from evit_mobile.reference import Reference, load_reference
from evit_mobile.spec import ModelSpec, Variation, is_published

IMAGES = 1024
MIN_IMAGES = 32
HELD_OUT = 2048
"""Images that tell how far the original and the variation agree, or all there are: where 5 % of them disagree, a drop of 1 point of
top-1 is two standard errors."""
WATCHED = 8
"""One in so many of the images is not learned from but tells when to stop."""
STEPS = 300
"""Steps in all by default, half of them layer-wise: a few minutes for efficientvit_m0 at 224x224 on one core."""


def recover(
    reference: Reference,
    variation: Variation,
    source: ImageDataset | None,
    folder: Path,
    *,
    steps: int | None = None,
    seed: int = 0,
    report: Report,
) -> Reference:
    """The variation of `reference`, recovered on images of `source` (None: the bundled ones) and read back from the checkpoint
    that it is written to, `<model>.<variation>.safetensors` in `folder`.

    Raises UsageError for a variation of the other family or weights that already are one, DataError for too few images.
    """
    spec = varied_spec(reference, variation)
    preprocess = reference.preprocessing.preprocess
    images = calibration_images(source, preprocess, seed, IMAGES, minimum=MIN_IMAGES, report=report)
    held_out = held_out_images(source, images, preprocess, seed, HELD_OUT, report=report)
    student, recovery = taught(
        reference, variation, images, held_out, steps=STEPS if steps is None else steps, seed=seed, report=report
    )
    path = folder / f"{spec.title}.safetensors"
    write_recovered(path, spec, student, recovery)
    return read_back(path, spec, reference)


def taught(
    reference: Reference,
    variation: Variation,
    images: Images,
    held_out: Images,
    *,
    steps: int,
    seed: int,
    report: Report,
) -> tuple[nn.Module, Recovery]:
    """The variation of the reference's module after it learned from `images`, and what that gave on those held out."""
    labels = known_labels(reference, held_out)
    teacher = copy.deepcopy(reference.module).requires_grad_(False)
    expected = run_module(teacher, held_out.batches())
    student = copy.deepcopy(teacher)
    vary(student, variation)

    def measured(when: str) -> Likeness:
        report(f"measuring {reference.spec.name}.{variation} {when} recovery")
        return likeness(run_module(student, held_out.batches()), expected, labels)

    before = measured("before")
    blocks = replaced_blocks(teacher, variation)
    done = distil(teacher, student, blocks, images, steps=steps, seed=seed, report=report)
    return student, Recovery(
        variation=variation,
        weights=reference.weights,
        source=reference.source,
        sha256=reference.sha256,
        labels=() if classes_of(reference).guessed else reference.labels,
        preprocess=reference.preprocessing.preprocess.to_manifest(),
        original_top1=None if labels is None else top_k_accuracy(expected, labels, 1),
        before=before,
        after=measured("after"),
        held_out=len(held_out),
        images=images.selection.contents,
        images_source=images.dataset.source,
        seed=seed,
        steps=done,
    )


def read_back(path: Path, spec: ModelSpec, original: Reference) -> Reference:
    """What the checkpoint holds, with all that is known of the original."""
    recovered = load_reference(spec.name, weights=path)
    recovered = replace(recovered, notes=original.notes, statements=original.statements)
    return renamed(recovered, classes_of(original))


def varied_spec(reference: Reference, variation: Variation) -> ModelSpec:
    """The spec of the variation. Raises UsageError when there is none of these weights."""
    spec = reference.spec
    if spec.variation is not None:
        raise UsageError(
            got=f"--{variation} with weights that were recovered as {spec.title}",
            allowed="weights of the original model",
            do=f"leave --{variation} out to convert these weights, or pass the original's",
        )
    if not is_published(spec):
        raise UsageError(
            got=f"--{variation} for a {spec.name} of pruned widths",
            allowed="a model of the published widths",
            do=f"leave --{variation} out",
        )
    if reference.module.state_dict().keys() != template(spec.name).shapes.keys():
        raise UsageError(
            got=f"--{variation} for a {spec.name} with a head of its own",
            allowed="a module with the variant's head",
            do=f"leave --{variation} out",
        )
    return replace(spec, variation=variation)


def distil(
    teacher: nn.Module,
    student: nn.Module,
    blocks: tuple[str, ...],
    images: Images,
    *,
    steps: int,
    seed: int,
    report: Report,
) -> tuple[int, int]:
    """Teaches `student` in place. Returns the steps, layer-wise and end to end, that led to the weights kept."""
    report(f"reading {len(images)} images to recover with")
    pixels = half_precision(images)
    count = len(pixels) // WATCHED
    watched, learned = pixels[:count], pixels[count:]
    student.requires_grad_(True)
    with layer_wise(teacher, student, blocks) as phase:
        first = learn(student, phase, learned, watched, steps=steps // 2, seed=seed, report=report)
    last = learn(
        student, end_to_end(teacher, student), learned, watched, steps=steps - steps // 2, seed=seed + 1, report=report
    )
    student.requires_grad_(False)
    return first, last


def half_precision(images: Images) -> Tensor:
    """All images, preprocessed, (N, 3, H, W) in fp16: half the memory, and three digits suffice to learn from."""
    return torch.cat([torch.from_numpy(batch).half() for batch in images.batches(BATCH)])


def likeness(actual: Logits, expected: Logits, labels: NDArray[np.int64] | None) -> Likeness:
    """How far `actual` gives the classes of `expected`, both (images, classes)."""
    return Likeness(
        agreement=top1_agreement(actual, expected), top1=None if labels is None else top_k_accuracy(actual, labels, 1)
    )
