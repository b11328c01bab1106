"""evaluate(): accuracy of an artefact on labelled images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from evit_mobile.commands.inspect import installed_target
from evit_mobile.commands.recorded import (
    given_path,
    labelled_images,
    listed_artefacts,
    manifest_reference,
)
from evit_mobile.errors import UsageError
from evit_mobile.images.data import Images
from evit_mobile.labels import Classes, manifest_classes, order_warning
from evit_mobile.metrics import top_k_accuracy
from evit_mobile.prepare.preparation import run_module
from evit_mobile.progress import Report, silent
from evit_mobile.record.manifest import Manifest
from evit_mobile.spec import Task
from evit_mobile.validation.max_drop import run_artefact
from evit_mobile.validation.oldest import require_runtimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Accuracy of an artefact on labelled images, in percent. `reference_top1` is the fp32 model's, where it was asked for. `notes` say
    what was decided about the images.
    """

    path: Path
    runtime: str
    source: str
    images: int
    top1: float
    top5: float
    reference_top1: float | None
    notes: tuple[str, ...] = ()


def evaluate(
    path: Path | str,
    *,
    images: Path | str | None = None,
    labels: Path | str | None = None,
    limit: int | None = None,
    with_reference: bool = False,
    report: Report = silent,
) -> Evaluation:
    """Top-1 and top-5 of an artefact on labelled images: `images`, or those its manifest names that did not calibrate. `labels` is a
    file with the names of the classes, in place of the manifest's.

    Raises ArtefactError, ToolchainError, UsageError for a model that is no classifier, and DataError when the images carry
    no labels.
    """
    path, images, labels = Path(path), given_path(images), given_path(labels)
    target = installed_target(path)
    folder, manifest, entries = listed_artefacts(path)
    require_runtimes(entries)
    chosen, classes, true = labelled(path, manifest, images, limit, labels)
    report(f"evaluating {path.name} on {len(chosen)} images")
    logits = run_artefact(target, path, chosen)
    expected = None
    if with_reference:
        report(f"evaluating the reference on {len(chosen)} images")
        reference = manifest_reference(folder, manifest, None)
        expected = run_module(reference.module, chosen.batches())
    warning = order_warning(classes, true, logits if expected is None else expected)
    return Evaluation(
        path=path,
        runtime=target.runtime,
        source=chosen.dataset.source,
        images=len(chosen),
        top1=top_k_accuracy(logits, true, 1),
        top5=top_k_accuracy(logits, true, 5),
        reference_top1=None if expected is None else top_k_accuracy(expected, true, 1),
        notes=(*chosen.dataset.notes, *([] if warning is None else [warning])),
    )


def labelled(
    path: Path, manifest: Manifest, images: Path | None, limit: int | None, labels: Path | None
) -> tuple[Images, Classes, NDArray[np.int64]]:
    """Images to measure a classifier's accuracy on, its classes, and which of them each image is.

    Raises UsageError for an artefact of another task, DataError for images without labels.
    """
    task = manifest.model.task
    if task is not Task.CLASSIFICATION:
        raise UsageError(
            got=f"{path.name}, whose task is {task}",
            allowed=f"a model of the task {Task.CLASSIFICATION}: top-1 and top-5 are accuracies of whole images",
            do=f"run `evit-mobile validate {path}`, which compares every output with the reference's",
        )
    chosen, classes = labelled_images(manifest, images, limit, manifest_classes(manifest, labels))
    true = chosen.labels(classes.count)
    if true is None:
        raise DataError(
            got="; ".join([f"images without labels in {chosen.dataset.source}", *chosen.dataset.notes]),
            allowed="a folder with one sub-folder per class, or another labelled source",
            do="pass --images DIR",
        )
    return chosen, classes, true
