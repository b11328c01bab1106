"""The manifest's content: what one conversion says about its model, its images and its artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calib.stated.statement import Decision
from converters.contract import Layout, QuantPlan
from evit_mobile.data import Images
from evit_mobile.earlier import with_earlier
from evit_mobile.findings import ArtefactRecord
from evit_mobile.labels import image_notes, manifest_labels
from evit_mobile.manifest import SCHEMA, artefact_entry, plan_entry, recovery_entry
from evit_mobile.metrics import Logits
from evit_mobile.models.complexity import count_macs, count_parameters
from evit_mobile.models.surroundings.describe import around, measured_cost
from evit_mobile.quantization.protection import Protection
from evit_mobile.reference import Reference
from evit_mobile.request import ConvertRequest
from evit_mobile.spec import ModelSpec, is_published
from evit_mobile.version import __version__


def compose(
    request: ConvertRequest,
    reference: Reference,
    calibration: Images,
    held_out: Images,
    expected: Logits,
    plan: QuantPlan | None,
    protection: Protection | None,
    records: Sequence[ArtefactRecord],
) -> dict[str, Any]:
    """The manifest's content; `expected` are the reference's logits of `held_out`. Artefacts that an earlier run wrote into the same
    folder for the same model stay listed.
    """
    folder, precision = Path(request.out), request.precision
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "request": request.to_json(),
        **described(reference),
        **manifest_labels(reference),
        "artefacts": [artefact_entry(record, folder) for record in records],
        "quant_plan": plan_entry(plan, precision),
        "protection": None if protection is None else asdict(protection),
        "calibration": {
            "digest": calibration.digest,
            "images": len(calibration) if precision.calibrated else 0,
            "source": calibration.dataset.source,
            "seed": request.seed,
            "notes": [*image_notes(reference, held_out, expected)],
        },
        "tool": {"version": __version__},
    }
    return with_earlier(document, folder)


def asked_model(request: ConvertRequest, reference: Reference) -> dict[str, Any]:
    """What a manifest will say of the model, before the variation that is asked for is recovered."""
    variation = request.variation or reference.spec.variation
    return {
        "model": {**model_entry(reference), "variation": variation},
        "recovery": recovery_entry(reference.recovery),
    }


def described(reference: Reference) -> dict[str, Any]:
    """What a manifest says of the model and its input."""
    return {
        "model": model_entry(reference),
        "input": input_entry(reference.spec, reference.preprocessing),
        "recovery": recovery_entry(reference.recovery),
    }


def model_entry(reference: Reference) -> dict[str, Any]:
    """The manifest's "model"."""
    spec = reference.spec
    return {
        "name": spec.name,
        "family": spec.family,
        "task": spec.task,
        "variation": spec.variation,
        **cost_entry(reference),
        "num_classes": spec.num_classes,
        "weights": reference.weights,
        "weights_sha256": reference.sha256,
        "source": reference.source,
        "origin": reference.origin,
        "keys": reference.keys,
        "architecture": None if is_published(spec) else asdict(spec.architecture),
        "around": around(reference.module),
        "notes": list(reference.notes),
    }


def cost_entry(reference: Reference) -> dict[str, int]:
    """Parameters and multiply-accumulates: of the variant, or of a module that is not just a variant as they are counted in it."""
    spec = reference.spec
    if spec.output is None and around(reference.module) is None:
        return {"params": count_parameters(spec), "macs": count_macs(spec)}
    return measured_cost(reference.module, spec.size)


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
