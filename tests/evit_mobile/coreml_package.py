"""A Core ML package of a reference, written as a conversion would, without judging it."""

from __future__ import annotations

from pathlib import Path

from converters.contract import Artefact, Metadata, Precision
from converters.registry import find_target
from evit_mobile.images.data import Images
from evit_mobile.prepare.lowerable import Lowerable, Preparation
from evit_mobile.prepare.preparation import prepare
from evit_mobile.progress import silent
from evit_mobile.reference import Reference


def written(
    reference: Reference, calibration: Images, held_out: Images, precision: Precision, path: Path
) -> tuple[Artefact, Lowerable]:
    """The package at `path`, and what was lowered."""
    target = find_target("coreml")
    asked = Preparation(
        reference=reference,
        calibration=calibration,
        held_out=held_out,
        precision=precision,
        targets=[target],
        cache=False,
    )
    lowerable = prepare(asked, silent)[target.precisions[precision]]
    return target.lower(lowerable.program, precision, path, Metadata(description=reference.spec.name)), lowerable
