"""manifest.json: what a folder of artefacts says about itself. Other programs read it; its schema is a promise.

Any change to the fields below comes with a new SCHEMA number, a note in docs/manifest.md, and every reader.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from converters.contract import Precision, QuantPlan
from converters.errors import ArtefactError
from converters.files import write_bytes
from evit_mobile.findings import ArtefactRecord, Recovery, Validation
from evit_mobile.strict_json import to_json

SCHEMA = 1
FILE_NAME = "manifest.json"
FIELDS = {"schema", "model", "input", "labels", "artefacts", "quant_plan", "calibration", "tool"}


def artefact_entry(record: ArtefactRecord, folder: Path) -> dict[str, Any]:
    """The manifest's entry of one artefact; its path is relative to the manifest's folder."""
    artefact = record.artefact
    return {
        "format": artefact.format,
        "precision": artefact.precision,
        "path": artefact.path.relative_to(folder).as_posix(),
        "bytes": artefact.bytes,
        "sha256": artefact.sha256,
        "toolchain": artefact.toolchain,
        "oldest_runtime": artefact.oldest_runtime,
        "soc": artefact.soc,
        "reproducible": artefact.reproducible,
        "inputs": [dataclasses.asdict(spec) for spec in artefact.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in artefact.outputs],
        "delegation": None if record.delegation is None else dataclasses.asdict(record.delegation),
        "npu": [dataclasses.asdict(delegation) for delegation in record.npu],
        "validation": validation_entry(record.validation),
        "validations": [validation_entry(validation) for validation in record.validations],
        "sizes": [dataclasses.asdict(size) for size in record.sizes],
        "speed": None if record.speed is None else dataclasses.asdict(record.speed),
        "convert_s": round(record.convert_s, 2),
    }


def validation_entry(validation: Validation) -> dict[str, Any]:
    """The manifest's "validation" of an artefact; also what `validate --json` prints per artefact."""
    return dataclasses.asdict(validation)


def plan_entry(plan: QuantPlan | None, profile: Precision) -> dict[str, Any] | None:
    """The manifest's "quant_plan": every int8 tensor with its parameters, every float operation with its reason."""
    if plan is None:
        return None
    return {
        "profile": profile,
        "activations": [dataclasses.asdict(activation) for activation in plan.activations],
        "weights": [
            {"tensor": weight.tensor, "module": weight.module, "axis": weight.axis, "scales": list(weight.scales)}
            for weight in plan.weights
        ],
        "float": [dataclasses.asdict(decision) for decision in plan.floats],
    }


def recovery_entry(recovery: Recovery | None) -> dict[str, Any] | None:
    """The manifest's "recovery": how a variation came about and how far it is the original; None for an original."""
    if recovery is None:
        return None
    fields = dataclasses.asdict(recovery)
    original = {name: fields.pop(name) for name in ("weights", "source", "sha256")} | {
        "top1": fields.pop("original_top1")
    }
    del fields["variation"], fields["labels"], fields["preprocess"]
    return {"original": original, **fields, "images": len(recovery.images)}


def write_manifest(document: dict[str, Any], folder: Path) -> None:
    """Writes the manifest into `folder` atomically."""
    write_bytes(folder / FILE_NAME, to_json(document).encode())


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """The manifest of `folder`. Raises ArtefactError when it is missing, damaged or of another schema."""
    path = Path(folder) / FILE_NAME
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        raise ArtefactError(
            got=f"{folder} without a {FILE_NAME}",
            allowed="a folder written by `evit-mobile convert`",
            do="pass that folder, or an artefact inside it",
        ) from None
    except (ValueError, OSError) as error:
        raise ArtefactError(
            got=f"a {FILE_NAME} that cannot be read ({error})",
            allowed="the file that `evit-mobile convert` wrote",
            do="convert again, into another folder",
        ) from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise ArtefactError(
            got=f"{path} with schema {schema}",
            allowed=f"schema {SCHEMA}",
            do="convert again with this version, into another folder",
        )
    missing = FIELDS - document.keys()
    if missing:
        raise ArtefactError(
            got=f"{path} without {', '.join(sorted(missing))}",
            allowed="a complete manifest",
            do="convert again, into another folder",
        )
    result: dict[str, Any] = document
    return result
