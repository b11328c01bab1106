"""This project's own converters, by the steps of `evit_mobile.commands.convert` without its validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.subjects import Subject
from calib.splits import Selection
from converters.contract import Precision
from converters.registry import find_target
from evit_mobile.commands.convert import describe
from evit_mobile.images.data import Images
from evit_mobile.prepare.lowerable import Preparation, lowered_by
from evit_mobile.prepare.preparation import prepare
from evit_mobile.progress import silent


def convert_litert(subject: Subject, precision: Precision, folder: Path) -> Path:
    return convert(subject, precision, folder, "tflite")


def convert_executorch(subject: Subject, precision: Precision, folder: Path) -> Path:
    return convert(subject, precision, folder, "executorch")


def convert(subject: Subject, precision: Precision, folder: Path, target_name: str) -> Path:
    """Prepares on all calibration images and lowers. Raises the errors of evit_mobile and converters."""
    reference, target = subject.deployable, find_target(target_name)
    path = folder / f"{precision}{target.suffix}"
    held_out = first_image(subject.held_out)
    asked = Preparation(
        reference=reference,
        calibration=subject.calibration,
        held_out=held_out,
        precision=precision,
        targets=[target],
        cache=False,
    )
    lowerable = lowered_by(target, precision, prepare(asked, silent))
    target.lower(lowerable.program, precision, path, describe(reference, precision))
    return path


def first_image(images: Images) -> Images:
    """One image only: what `prepare` runs its stages on serves validation, which stock converters do not have."""
    selection = images.selection
    first = Selection(source=selection.source, indices=selection.indices[:1], contents=(), labels=None)
    return replace(images, selection=first)
