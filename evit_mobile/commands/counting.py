"""Counting a classifier's answers on one piece of labelled images, as they come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.kept import batches
from calib.preprocess import Preprocess
from calib.shards import Shards, is_sharded, open_shards
from converters.contract import Judge
from converters.errors import ToolchainError
from converters.registry import artefact_target, find_judge
from evit_mobile.commands.inspect import installed_target
from evit_mobile.commands.recorded import labelled_images, listed_artefacts, manifest_reference
from evit_mobile.errors import UsageError
from evit_mobile.images.data import BATCH, BATCH_PIXELS, Images, affordable
from evit_mobile.labels import Classes, manifest_classes
from evit_mobile.prepare.preparation import run_module
from evit_mobile.progress import Report
from evit_mobile.record.manifest import Manifest
from evit_mobile.spec import Task
from evit_mobile.validation.probabilities import gives_probabilities
from evit_mobile.validation.tally import Tally

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Preprocessed images (B, C, H, W) and their classes (B,)."""
TELL_IMAGES = 1000
"""Between lines of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What is counted: the answers of an artefact, on a judge or its usual runtime, and of its reference where asked."""

    path: str
    images: str | None = None
    labels: str | None = None
    limit: int | None = None
    on: str | None = None
    with_reference: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Labelled images of a manifest's classes, where they come from and what a user should know of them."""

    name: str
    classes: Classes
    notes: tuple[str, ...]
    opened: Images | Shards
    preprocess: Preprocess

    @property
    def size(self) -> int | None:
        """How many images there are; None where that is only known at their end."""
        return len(self.opened) if isinstance(self.opened, Images) else None

    @property
    def identity(self) -> str:
        """What tells it from other images: how many there are, or their files."""
        return str(len(self.opened) if isinstance(self.opened, Images) else self.opened.files)

    def batches(self, piece: int, of: int, limit: int | None) -> Iterator[Batch]:
        """Those of one of `of` pieces. Raises DataError."""
        size = affordable(BATCH, BATCH_PIXELS, math.prod(self.preprocess.size))
        if isinstance(self.opened, Images):
            chosen = self.opened.selection.indices[piece::of]
            true = np.array((self.opened.selection.labels or ())[piece::of], np.int64)
            found = batches(self.opened.dataset, chosen, self.preprocess, size)
            yield from ((images, true[size * i : size * i + len(images)]) for i, images in enumerate(found))
            return
        samples = islice(self.opened.samples(piece, of), limit)
        while some := list(islice(samples, size)):
            true = np.array([label for _, label in some], np.int64)
            check_classes(true, self.classes, self.name)
            yield np.stack([self.preprocess(picture) for picture, _ in some]), true


def labelled_source(count: Count, manifest: Manifest) -> Source:
    """Raises UsageError for an artefact of another task, DataError for images without labels."""
    task = manifest.model.task
    if task is not Task.CLASSIFICATION:
        raise UsageError(
            got=f"{Path(count.path).name}, whose task is {task}",
            allowed=f"a model of the task {Task.CLASSIFICATION}: top-1 and top-5 are accuracies of whole images",
            do=f"run `evit-mobile validate {count.path}`, which compares every output with the reference's",
        )
    classes = manifest_classes(manifest, None if count.labels is None else Path(count.labels))
    preprocess = manifest.input.preprocess
    if count.images is not None and is_sharded(count.images):
        shards = open_shards(count.images, classes.names or None)
        return Source(name=count.images, classes=classes, notes=(), opened=shards, preprocess=preprocess)
    images = None if count.images is None else Path(count.images)
    chosen, classes = labelled_images(manifest, images, count.limit, classes)
    if chosen.labels(classes.count) is None:
        raise DataError(
            got="; ".join([f"images without labels in {chosen.dataset.source}", *chosen.dataset.notes]),
            allowed="a folder with one sub-folder per class, or another labelled source",
            do="pass --images DIR",
        )
    return Source(
        name=chosen.dataset.source,
        classes=classes,
        notes=chosen.dataset.notes,
        opened=chosen,
        preprocess=preprocess,
    )


def check_classes(labels: NDArray[np.int64], classes: Classes, source: str) -> None:
    """Raises DataError for a label that is no class of the model."""
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes.count:
        raise DataError(
            got=f"labels {labels.min()}..{labels.max()} in {source} for a model of {classes.count} classes",
            allowed=f"labels 0..{classes.count - 1}",
            do="pass the images of this model's task",
        )


def judge_of(count: Count) -> Judge:
    """What runs the artefact. Raises ToolchainError where it cannot here, UnknownTargetError, ArtefactError."""
    path = Path(count.path)
    if count.on is None:
        return installed_target(path)
    judge = find_judge(count.on, artefact_target(path))
    missing = judge.missing()
    if missing is not None:
        raise ToolchainError(
            got=f"--on {count.on}, which does not run here", allowed="a judge that is ready", do=missing
        )
    return judge


def counted(count: Count, piece: int, of: int, report: Report) -> Tally | None:
    """The answers on one of `of` pieces of the images; None where there is none in it."""
    folder, manifest, (entry, *_) = listed_artefacts(Path(count.path))
    source = labelled_source(count, manifest)
    runner = judge_of(count).load(Path(count.path))
    module = manifest_reference(folder, manifest, None).module if count.with_reference else None
    probabilities = gives_probabilities(output.name for output in entry.outputs)
    total: Tally | None = None
    for images, labels in source.batches(piece, of, count.limit):
        expected = None if module is None else run_module(module, [images])
        tally = Tally.of(runner(images), labels, expected, probabilities=probabilities)
        before = 0 if total is None else total.images
        total = tally if total is None else total + tally
        if before // TELL_IMAGES != total.images // TELL_IMAGES:
            report(f"{total.images} images")
    return total


def count_piece(payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """What the process of a piece does: its tally as JSON."""
    tally = counted(Count(**payload["count"]), payload["piece"], payload["of"], report)
    return {"tally": None if tally is None else tally.to_json()}


def payload_of(count: Count, piece: int, of: int) -> dict[str, Any]:
    """What `count_piece` is called with."""
    return {"count": asdict(count), "piece": piece, "of": of}
