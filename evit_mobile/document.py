"""The manifest's content: what one conversion says about its model, its images and its artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calib.stated.statement import Decision
from converters.contract import Layout, QuantPlan
from evit_mobile.data import Images
from evit_mobile.findings import ArtefactRecord
from evit_mobile.labels import class_names
from evit_mobile.manifest import FILE_NAME, SCHEMA, artefact_entry, plan_entry, read_manifest, recovery_entry
from evit_mobile.models.complexity import count_macs, count_parameters
from evit_mobile.quantization.protection import Protection
from evit_mobile.reference import Reference
from evit_mobile.request import ConvertRequest
from evit_mobile.spec import ModelSpec
from evit_mobile.version import __version__


def compose(
    request: ConvertRequest,
    reference: Reference,
    calibration: Images,
    held_out: Images,
    plan: QuantPlan | None,
    protection: Protection | None,
    records: Sequence[ArtefactRecord],
) -> dict[str, Any]:
    """The manifest's content. Artefacts that an earlier run wrote into the same folder for the same model stay listed."""
    folder, precision = Path(request.out), request.precision
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "request": request.to_json(),
        "model": model_entry(reference),
        "input": input_entry(reference.spec, reference.preprocessing),
        "labels": list(class_names(reference, held_out)),
        "artefacts": [artefact_entry(record, folder) for record in records],
        "quant_plan": plan_entry(plan, precision),
        "protection": None if protection is None else asdict(protection),
        "calibration": {
            "digest": calibration.digest,
            "images": len(calibration) if precision.calibrated else 0,
            "source": calibration.dataset.source,
            "seed": request.seed,
        },
        "recovery": recovery_entry(reference.recovery),
        "tool": {"version": __version__},
    }
    return with_earlier(document, folder)


def with_earlier(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`document` with the entries of the folder's present manifest that it does not replace, if it is the same model."""
    if not (folder / FILE_NAME).exists():
        return document
    earlier = read_manifest(folder)
    told = {"notes": document["model"]["notes"]}  # remarks, which a later version may word differently
    said = {name: document["input"][name] for name in ("stated_by", "notes")}
    if ({**earlier["model"], **told}, {**earlier["input"], **said}) != (document["model"], document["input"]):
        return document
    written = {entry["path"] for entry in document["artefacts"]}
    kept = [entry for entry in earlier["artefacts"] if entry["path"] not in written]
    merged = {**document, "artefacts": kept + document["artefacts"]}
    if document["quant_plan"] is None:
        merged |= {key: earlier[key] for key in ("quant_plan", "protection", "calibration") if key in earlier}
    if "activation_audit" in earlier:
        merged["activation_audit"] = earlier["activation_audit"]
    return merged


def model_entry(reference: Reference) -> dict[str, Any]:
    """The manifest's "model"."""
    spec = reference.spec
    return {
        "name": spec.name,
        "family": spec.family,
        "task": spec.task,
        "variation": spec.variation,
        "params": count_parameters(spec),
        "macs": count_macs(spec),
        "num_classes": spec.num_classes,
        "weights": reference.weights,
        "weights_sha256": reference.sha256,
        "source": reference.source,
        "origin": reference.origin,
        "keys": reference.keys,
        "architecture": None if spec.published else asdict(spec.architecture),
        "notes": list(reference.notes),
    }


def input_entry(spec: ModelSpec, preprocessing: Decision) -> dict[str, Any]:
    """The manifest's "input": the image tensor as PyTorch takes it. Each artefact's own entry says its layout."""
    height, width = spec.size
    return {
        "name": "image",
        "shape": [1, 3, height, width],
        "layout": Layout.NCHW,
        "dtype": "float32",
        **preprocessing.to_manifest(),
    }
