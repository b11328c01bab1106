"""plans/<precision>.json: every int8 tensor with its parameters, every float operation with its reason. Apps do not need them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.contract import ActivationQuantization, FloatDecision, Precision, QuantPlan, WeightQuantization
from converters.errors import ArtefactError
from converters.files import write_bytes
from evit_mobile.record.manifest import FILE_NAME, Manifest
from evit_mobile.record.upgrade import plan_name
from evit_mobile.strict_json import read, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan as it is written, for the artefacts of the precision `profile`."""

    profile: Precision
    activations: tuple[ActivationQuantization, ...]
    weights: tuple[WeightQuantization, ...]
    float: tuple[FloatDecision, ...]


def write_plan(plan: QuantPlan, profile: Precision, folder: Path) -> str:
    """Writes a plan beside the manifest of `folder`, atomically; returns its path relative to that."""
    name = plan_name(profile)
    content = Plan(profile=profile, activations=plan.activations, weights=plan.weights, float=plan.floats)
    _write(folder / name, content)
    return name


def read_plan(folder: Path, name: str) -> Plan:
    """The plan that the manifest of `folder` calls `name`. Raises ArtefactError when it is missing or damaged."""
    path = folder / name
    try:
        document = json.loads(path.read_text()) if path.exists() else _plan_of_schema_1(folder)
        plan: Plan = read(Plan, document)
    except (OSError, ValueError) as error:
        raise ArtefactError(
            got=f"the plan {path}, which cannot be read ({error})",
            allowed="the file that `evit-mobile convert` wrote",
            do="convert again, into another folder",
        ) from None
    if plan_name(plan.profile) != name:
        raise ArtefactError(got=f"{path} with a plan for {plan.profile}", allowed="its own", do="convert again")
    return plan


def listed_plans(manifest: Manifest) -> list[str]:
    """Names of the plans of a manifest's artefacts, each once."""
    return list(dict.fromkeys(entry.plan for entry in manifest.artefacts if entry.plan is not None))


def copy_plans(manifest: Manifest, folder: Path, other: Path) -> None:
    """Writes the plans of a manifest of `folder` into another. Raises ArtefactError for one that is missing or damaged."""
    for name in listed_plans(manifest):
        _write(other / name, read_plan(folder, name))


def carry_over(manifest: Manifest, folder: Path) -> None:
    """Gives the plan inside the manifest that lies in `folder`, where it is of schema 1, a file of its own if `manifest` lists it."""
    for name in listed_plans(manifest):
        if not (folder / name).exists():
            _write(folder / name, read_plan(folder, name))


def remove_others(manifest: Manifest, folder: Path) -> None:
    """Removes plans of artefacts that are not in `folder` any more."""
    kept = {folder / name for name in listed_plans(manifest)}
    for precision in Precision:
        if folder / plan_name(precision) not in kept:
            (folder / plan_name(precision)).unlink(missing_ok=True)


def _plan_of_schema_1(folder: Path) -> Any:
    document = json.loads((folder / FILE_NAME).read_text())
    return document.get("quant_plan")


def _write(path: Path, plan: Plan) -> None:
    write_bytes(path, to_json(plan).encode())
