"""An .onnx file's own word on itself: what it is, and a SHA-256 of all its bytes, by which damage is found before a runtime reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import Metadata
from converters.errors import ArtefactError

if TYPE_CHECKING:
    from onnx import ModelProto

DIGEST, DESCRIPTION = "sha256", "description"
UNSIGNED = "0" * 64


def fields_of(metadata: Metadata) -> dict[str, Any]:
    """What there is to say."""
    return {name: value for name, value in metadata.texts().items() if value}


def stated(model: ModelProto) -> dict[str, Any]:
    """What a `described` model says about itself."""
    (description,) = [entry.value for entry in model.metadata_props if entry.key == DESCRIPTION]
    fields: dict[str, Any] = json.loads(description)
    return fields


def described(model: ModelProto, fields: Mapping[str, Any]) -> ModelProto:
    """`model` with `fields` as its description, and room for the digest."""
    for key, value in ((DESCRIPTION, json.dumps(fields, sort_keys=True)), (DIGEST, UNSIGNED)):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return model


def signed(model: ModelProto) -> bytes:
    """The bytes of a `described` model with their digest in them."""
    content: bytes = model.SerializeToString(deterministic=True)
    return _with(_digest(content), content, UNSIGNED.encode())


def read_model(path: Path) -> ModelProto:
    """The model in a file. Raises ArtefactError for one that is missing, damaged or of another writer."""
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        content = path.read_bytes()
        model = ModelProto.FromString(content)
    except (OSError, DecodeError) as error:
        raise _damaged(path, f"which cannot be read ({error})") from None
    digest = "".join(entry.value for entry in model.metadata_props if entry.key == DIGEST)
    if len(digest) != len(UNSIGNED):
        raise _damaged(path, "which carries no digest of its bytes")
    if _digest(_with(UNSIGNED.encode(), content, digest.encode())) != digest.encode():
        raise _damaged(path, "which does not match its digest")
    return model


def _digest(content: bytes) -> bytes:
    """SHA-256 of a file whose digest is UNSIGNED, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest().encode()


def _with(new: bytes, content: bytes, old: bytes) -> bytes:
    """`content` with another digest: it stands behind the graph."""
    before, _, behind = content.rpartition(old)
    return before + new + behind


def _damaged(path: Path, detail: str) -> ArtefactError:
    return ArtefactError(
        got=f"{path}, {detail}", allowed="an undamaged .onnx file that was written here", do="convert the model again"
    )
