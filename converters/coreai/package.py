"""The .aimodel folder on disk: written reproducibly, and checked member by member before anything else reads it.

    main.mlirb       the program and its weights, MLIR bytecode
    main.hash        the 32 bytes of its SHA-256
    metadata.json    what the asset says about itself

The runtime itself compares nothing with main.hash (coreai-core 1.0.0b3).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.errors import ArtefactError

PROGRAM, HASH, METADATA = "main.mlirb", "main.hash", "metadata.json"
MAGIC = b"ML\xefR"
"""First bytes of MLIR bytecode (mlir.llvm.org/docs/BytecodeFormat)."""

ASSET_VERSION = "2.0"
OWN = "creatorDefinedMetadata"
"""Key of what the author adds to the metadata."""

PIXELS = "pixels_"
"""Before the name of a function that takes an image, what its pixels are handed to is called."""

DATE = "19800101T000000Z"
"""Stands for the time of writing, so that the same program gives the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An asset whose members are present and agree with each other. `own` is what its author added to the metadata."""

    path: Path
    own: dict[str, Any]


def of_tensors(names: Iterable[str]) -> list[str]:
    """Those of an asset's functions that take tensors, which the runtime on Linux can run."""
    listed = list(names)
    return [name for name in listed if PIXELS + name not in listed]


def make_reproducible(path: Path) -> None:
    """Rewrites what is taken from the clock or in random order."""
    file = path / METADATA
    metadata = json.loads(file.read_bytes()) | {"creationDate": DATE}
    file.write_text(json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> Package:
    """The asset at `path`, its bytes checked against its own hash. Raises ArtefactError."""
    found = sorted(file.name for file in path.iterdir()) if path.is_dir() else []
    if found != sorted((PROGRAM, HASH, METADATA)) or not all((path / name).is_file() for name in found):
        raise _damaged(path, f"members {', '.join(found) or 'none'}", f"just {PROGRAM}, {HASH} and {METADATA}")
    program = path / PROGRAM
    with program.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise _damaged(path, f"a {PROGRAM} that is no MLIR bytecode", "a program")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").digest()
    if (path / HASH).read_bytes() != digest:
        raise _damaged(path, f"a {PROGRAM} with the SHA-256 {digest.hex()[:16]}...", f"the one in {HASH}")
    return Package(path=path, own=_own_metadata(path))


def _own_metadata(path: Path) -> dict[str, Any]:
    try:
        metadata = json.loads((path / METADATA).read_bytes())
    except ValueError as error:
        raise _damaged(path, f"an unreadable {METADATA} ({error})", "a JSON object") from error
    if not isinstance(metadata, dict) or metadata.get("assetVersion") != ASSET_VERSION:
        raise _damaged(path, f"a {METADATA} of another kind", f"a JSON object with assetVersion {ASSET_VERSION}")
    own = metadata.get(OWN, {})
    if not isinstance(own, dict):
        raise _damaged(path, f"a {OWN} that is no object", "a JSON object")
    return own


def _damaged(path: Path, got: str, allowed: str) -> ArtefactError:
    return ArtefactError(got=f"{got} in {path}", allowed=allowed, do="convert again, or copy the whole folder again")
