"""Writes docs/manifest.schema.json, by which other programs can check a manifest.json, from the types in evit_mobile/record/manifest.py.

    python scripts/manifest_schema.py

A field is required if it has no default there; what each means is in docs/manifest.md.
"""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evit_mobile.record.manifest import ArtefactEntry, Manifest
from evit_mobile.strict_json import Measured

PATH = Path(__file__).resolve().parents[1] / "docs" / "manifest.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}
MORE: dict[tuple[type, str], dict[str, Any]] = {(ArtefactEntry, "validations"): {"minItems": 1}}
"""What a field's type does not say, but its class checks."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    definitions: dict[str, Any] = {}
    root = definition(Manifest, definitions)
    return {
        "$schema": DIALECT,
        "title": "manifest.json of evit-mobile",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def definition(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a dataclass; those that it uses join `definitions`."""
    hints = get_type_hints(kind, include_extras=True)
    own = fields(kind)
    return {
        "description": inspect.cleandoc(kind.__doc__),
        "type": "object",
        "properties": {
            one.name: reference(hints[one.name], definitions) | MORE.get((kind, one.name), {}) for one in own
        },
        "required": [one.name for one in own if is_required(one.default, one.default_factory, hints[one.name])],
        "additionalProperties": False,
    }


def is_required(default: object, factory: object, kind: Any) -> bool:
    """Whether a field is in every manifest: where there is one value only, its default is no reason to leave it out."""
    return default is factory is MISSING or (get_origin(kind) is Literal and len(get_args(kind)) == 1)


def reference(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field's type, by the rules of `evit_mobile.strict_json.read`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return {}
    if kind == Measured:
        return {"type": ["number", "null"]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return {"anyOf": [reference(inner, definitions), {"type": "null"}]}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": reference(arguments[0], definitions)}
    if origin is tuple:
        items = [reference(argument, definitions) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is dict:
        return {"type": "object", "additionalProperties": reference(arguments[1], definitions)}
    if is_dataclass(kind):
        name = kind.__name__  # type: ignore[union-attr]  # a class, not an instance of one
        if name not in definitions:
            definitions[name] = {}  # so that a class may hold itself
            definitions[name] = definition(kind, definitions)
        return {"$ref": f"#/$defs/{name}"}
    if issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return {"type": PLAIN[kind]}


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
