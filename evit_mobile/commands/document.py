"""The manifest's content: what one conversion says about its model, its images and its artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evit_mobile.findings import ActivationAudit, ArtefactRecord, Protection, Recovery
from evit_mobile.images.data import Images
from evit_mobile.labels import image_notes, manifest_labels
from evit_mobile.metrics import Logits
from evit_mobile.models.complexity import count_macs, count_parameters
from evit_mobile.models.surroundings.describe import around, measured_cost
from evit_mobile.record.earlier import with_earlier
from evit_mobile.record.manifest import (
    ArtefactEntry,
    CalibrationEntry,
    InputEntry,
    Manifest,
    ModelEntry,
    OriginalEntry,
    RecoveryEntry,
    Subject,
    ToolEntry,
)
from evit_mobile.reference import Reference
from evit_mobile.request import ConvertRequest
from evit_mobile.spec import Architecture, is_published
from evit_mobile.strict_json import plain, read
from evit_mobile.version import __version__


def compose(
    request: ConvertRequest,
    reference: Reference,
    calibration: CalibrationEntry,
    audit: ActivationAudit | None,
    artefacts: Sequence[ArtefactEntry],
) -> Manifest:
    """The manifest, without golden vectors. Artefacts that an earlier run wrote into the same folder for the same model stay listed."""
    subject, (names, negative) = described(reference), manifest_labels(reference)
    manifest = Manifest(
        request=plain(request.to_json()),
        model=subject.model,
        input=subject.input,
        recovery=subject.recovery,
        labels=names,
        negative_label=negative,
        labels_stated_by=reference.labels_stated_by,
        artefacts=tuple(artefacts),
        calibration=calibration,
        activation_audit=audit,
        tool=ToolEntry(version=__version__),
    )
    return with_earlier(manifest, Path(request.out))


def artefact_entry(
    record: ArtefactRecord, folder: Path, plan: str | None, protection: Protection | None
) -> ArtefactEntry:
    """The manifest's entry of one artefact, with the `plan` that it follows."""
    artefact = record.artefact
    return ArtefactEntry(
        format=artefact.format,
        precision=artefact.precision,
        path=artefact.path.relative_to(folder).as_posix(),
        bytes=artefact.bytes,
        sha256=artefact.sha256,
        toolchain=artefact.toolchain,
        oldest_runtime=artefact.oldest_runtime,
        soc=artefact.soc,
        reproducible=artefact.reproducible,
        unproven=artefact.unproven,
        inputs=artefact.inputs,
        outputs=artefact.outputs,
        delegation=record.delegation,
        npu=record.npu,
        plan=plan,
        protection=protection,
        validations=record.validations,
        sizes=record.sizes,
        speed=record.speed,
        convert_s=round(record.convert_s, 2),
    )


def calibration_entry(
    request: ConvertRequest, reference: Reference, calibration: Images, held_out: Images, expected: Logits
) -> CalibrationEntry:
    """What a manifest says of the images; `expected` are the reference's logits of those held out."""
    return CalibrationEntry(
        digest=calibration.digest,
        images=len(calibration) if request.precision.calibrated else 0,
        source=calibration.dataset.source,
        seed=request.seed,
        notes=image_notes(reference, held_out, expected),
    )


def asked_model(request: ConvertRequest, reference: Reference) -> Subject:
    """What a manifest will say of the model, before the variation that is asked for is recovered."""
    subject = described(reference)
    variation = request.variation or reference.spec.variation
    return replace(subject, model=replace(subject.model, variation=variation))


def described(reference: Reference) -> Subject:
    """What a manifest says of the model and its input."""
    return Subject(
        model=model_entry(reference), input=input_entry(reference), recovery=recovery_entry(reference.recovery)
    )


def model_entry(reference: Reference) -> ModelEntry:
    """The manifest's "model"."""
    spec = reference.spec
    surroundings = around(reference.module)
    return ModelEntry(
        name=spec.name,
        family=spec.family,
        task=spec.task,
        variation=spec.variation,
        **cost_entry(reference),
        num_classes=spec.num_classes,
        weights=reference.weights,
        weights_sha256=reference.sha256,
        source=reference.source,
        origin=reference.origin,
        keys=reference.keys,
        color="BGR" if reference.bgr else "RGB",
        architecture=None if is_published(spec) else own_architecture(spec.architecture),
        around=None if surroundings is None else {where: tuple(names) for where, names in surroundings.items()},
        notes=reference.notes,
    )


def own_architecture(architecture: Architecture) -> dict[str, Any]:
    """What the manifest says of widths that are none of the published ones."""
    fields: dict[str, Any] = plain({**asdict(architecture), "hidden": dict(architecture.hidden)})
    return fields


def cost_entry(reference: Reference) -> dict[str, int]:
    """Parameters and multiply-accumulates: of the variant, or of a module that is not just a variant as they are counted in it."""
    spec = reference.spec
    a_variant = spec.output is None and spec.channels == 3 and not spec.architecture.hidden
    if a_variant and around(reference.module) is None:
        return {"params": count_parameters(spec), "macs": count_macs(spec)}
    return measured_cost(reference.module, (spec.channels, *spec.size))


def input_entry(reference: Reference) -> InputEntry:
    """The manifest's "input". Raises DataError for preprocessing that is stated and cannot be met."""
    shape = [1, reference.spec.channels, *reference.spec.size]
    entry: InputEntry = read(InputEntry, {"shape": shape, **reference.preprocessing.to_manifest()})
    return entry


def recovery_entry(recovery: Recovery | None) -> RecoveryEntry | None:
    """The manifest's "recovery": how a variation came about and how far it is the original; None for an original."""
    if recovery is None:
        return None
    original = OriginalEntry(
        weights=recovery.weights, source=recovery.source, sha256=recovery.sha256, top1=recovery.original_top1
    )
    return RecoveryEntry(
        original=original,
        before=recovery.before,
        after=recovery.after,
        held_out=recovery.held_out,
        images=len(recovery.images),
        images_source=recovery.images_source,
        seed=recovery.seed,
        steps=recovery.steps,
    )
