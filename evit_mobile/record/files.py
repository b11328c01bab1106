"""manifest.json on disk."""

from __future__ import annotations

import json
from pathlib import Path

from converters.errors import ArtefactError
from converters.files import write_bytes
from evit_mobile.record.manifest import FILE_NAME, Manifest
from evit_mobile.record.plans import carry_over, remove_others
from evit_mobile.strict_json import to_json


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes the manifest into `folder` atomically. The plans beside it are then those of its artefacts."""
    carry_over(manifest, folder)
    write_bytes(folder / FILE_NAME, to_json(manifest).encode())
    remove_others(manifest, folder)


def read_manifest(folder: Path | str) -> Manifest:
    """The manifest of `folder`, upgraded where it is of an older schema. Raises ArtefactError when it is missing, damaged or newer."""
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
    try:
        return Manifest.from_json(document)
    except ArtefactError as error:
        raise ArtefactError(got=f"{path}: {error.got}", allowed=error.allowed, do=error.do) from None
