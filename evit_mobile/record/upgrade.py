"""Manifests of older schemas, as documents of the current one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from converters.errors import ArtefactError

SCHEMA: Final = 2


def upgraded(document: object) -> Mapping[str, Any]:
    """`document` in the current schema. Raises ArtefactError for a schema that is unknown."""
    schema = document.get("schema") if isinstance(document, Mapping) else None
    if isinstance(document, Mapping) and schema == SCHEMA and type(schema) is int:
        return document
    if isinstance(document, Mapping) and schema == 1 and type(schema) is int:
        return from_schema_1(document)
    raise ArtefactError(
        got=f"a manifest with schema {schema}",
        allowed=f"schema {SCHEMA}, or 1 of an older evit-mobile",
        do="convert again with this version into another folder, or upgrade evit-mobile if a newer one wrote it",
    )


def from_schema_1(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Schema 1 had one plan in the manifest itself, of the profile written last, and beside an artefact's validations their sum."""
    fields = dict(document)
    plan, protection = fields.pop("quant_plan", None), fields.pop("protection", None)
    profile = plan.get("profile") if isinstance(plan, Mapping) else None
    if isinstance(fields.get("artefacts"), list):
        fields["artefacts"] = [
            with_plan(with_validations(entry), profile, protection) if isinstance(entry, Mapping) else entry
            for entry in fields["artefacts"]
        ]
    return {**fields, "schema": SCHEMA}


def with_validations(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The artefact `entry` with the validations of its judges alone; the first releases had one judge and no list."""
    fields = dict(entry)
    only = fields.pop("validation", None)
    return fields if fields.get("validations") or only is None else {**fields, "validations": [only]}


def with_plan(entry: dict[str, Any], profile: object, protection: object) -> dict[str, Any]:
    """The artefact `entry` with the plan that the manifest held, where it is its own."""
    if profile is None or entry.get("precision") != profile:
        return entry
    return {**entry, "plan": plan_name(str(profile)), "protection": protection}


def plan_name(precision: str) -> str:
    """Where the plan of a precision lies, relative to the manifest."""
    return f"plans/{precision}.json"
