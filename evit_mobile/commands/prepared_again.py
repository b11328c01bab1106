"""The program that an artefact was written from, prepared again as its manifest says."""

from __future__ import annotations

from pathlib import Path

from converters.contract import QuantPlan, Target
from converters.errors import ArtefactError
from converters.interface import Function
from converters.registry import find_target
from evit_mobile.commands.recorded import calibration_source, manifest_reference
from evit_mobile.errors import UsageError
from evit_mobile.images.data import CALIBRATION_IMAGES, calibration_images, held_out_images
from evit_mobile.labels import open_images
from evit_mobile.prepare.lowerable import Preparation, lowered_by
from evit_mobile.prepare.preparation import prepare
from evit_mobile.progress import Report
from evit_mobile.record.manifest import FILE_NAME, ArtefactEntry, Manifest
from evit_mobile.record.plans import read_plan
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import usable_targets
from evit_mobile.validation.max_drop import IMAGES as MAX_DROP_IMAGES


def prepared_again(
    folder: Path, manifest: Manifest, entry: ArtefactEntry, weights: str | None, report: Report
) -> Function:
    """What was lowered to the artefact, of its usual size. Raises UsageError where the model or the request cannot be found again,
    ArtefactError where its plan comes out otherwise, ToolchainError, DataError.
    """
    request, targets = asked(manifest, entry)
    report("loading weights")
    reference, source = open_images(manifest_reference(folder, manifest, weights), calibration_source(manifest))
    preprocess, seed, task = manifest.input.preprocess, request.seed, reference.spec.task
    calibration = calibration_images(source, preprocess, seed, CALIBRATION_IMAGES[task], report=report)
    judging = 1 if request.max_drop is None else MAX_DROP_IMAGES  # they only decide how many points an int8 file loses
    prepared = prepare(
        Preparation(
            reference=reference,
            calibration=calibration,
            held_out=held_out_images(source, calibration, preprocess, seed, judging, learned=reference.learned),
            precision=entry.precision,
            targets=targets,
            max_drop=request.max_drop,
            float_io=request.float_io,
            cache=request.cache,
            observer=request.observer,
        ),
        report,
    )
    check_plan(folder, entry, next(iter(prepared.values())).plan)
    lowerable = lowered_by(find_target(entry.format), entry.precision, prepared)
    return Function(program=lowerable.program, islands=lowerable.islands)


def asked(manifest: Manifest, entry: ArtefactEntry) -> tuple[ConvertRequest, tuple[Target, ...]]:
    """The request that the artefact was written for, and all its targets. Raises UsageError where the manifest has another one or none,
    ToolchainError where a target is not installed.
    """
    saved = manifest.request
    request = None if saved is None else ConvertRequest.from_json(saved)
    targets = () if request is None or request.precision is not entry.precision else usable_targets(request)
    if request is None or entry.format not in (target.name for target in targets):
        raise UsageError(
            got=f"{entry.path}, whose request is not in {FILE_NAME}: that has the latest one only",
            allowed="a folder whose latest conversion wrote it",
            do="convert again, into another folder",
        )
    return request, targets


def check_plan(folder: Path, entry: ArtefactEntry, plan: QuantPlan | None) -> None:
    """Raises ArtefactError where the plan is not the recorded one, from which the artefact was written."""
    if plan is None or entry.plan is None:
        return
    recorded = read_plan(folder, entry.plan)
    if (plan.activations, plan.weights, plan.floats) != (recorded.activations, recorded.weights, recorded.float):
        raise ArtefactError(
            got=f"another plan than {folder / entry.plan} when the model is prepared again",
            allowed="the same images, options and version of evit-mobile as it was written with",
            do="convert again",
        )
