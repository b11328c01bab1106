"""A folder that lists one small file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from converters.files import sha256
from evit_mobile.record.files import write_manifest
from tests.manifests import artefact, of_model


def folder(place: Path, **changes: Any) -> Path:
    """A folder whose manifest lists one file."""
    path = place / "m.int8.tflite"
    path.write_bytes(b"file")
    write_manifest(of_model(artefact(path.name, **{"sha256": sha256(path), **changes})), place)
    return path
