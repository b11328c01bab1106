"""What a target says of the file that it has just written."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from converters.contract import Artefact, Precision, TensorSpec
from converters.files import sha256, size_bytes

Tensors = tuple[TensorSpec, ...]


def written(
    path: Path,
    *,
    format: str,
    precision: Precision,
    inputs: Tensors,
    outputs: Tensors,
    packages: tuple[str, ...],
    oldest_runtime: str | None = None,
) -> Artefact:
    """The artefact at `path`, which the installed `packages` made."""
    return Artefact(
        format=format,
        precision=precision,
        path=path,
        bytes=size_bytes(path),
        sha256=sha256(path),
        inputs=inputs,
        outputs=outputs,
        toolchain={name: version(name) for name in packages},
        oldest_runtime=oldest_runtime,
    )
