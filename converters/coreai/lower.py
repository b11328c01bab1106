"""ExportedProgram -> .aimodel; several, the same model for several input sizes -> one .aimodel with a function for each.

The interface is float32 in every precision, as in Core ML packages: inside, that costs one cast at each end.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import Artefact, FloatType, Metadata, Precision
from converters.coreai import toolchain
from converters.coreai.child import Child, ChildError
from converters.coreai.inspect import inspect
from converters.coreai.package import make_reproducible
from converters.errors import ToolchainError
from converters.files import atomic_path, sha256
from converters.interface import PROBABILITIES, TENSORS, Function, Interface, function_name

if TYPE_CHECKING:
    from torch.export import ExportedProgram

MAIN = "main"
"""The only function of an asset for one size."""

PRECISIONS: dict[Precision, FloatType] = {
    precision: FloatType.FP32 if precision is Precision.FP32 else FloatType.FP16
    for precision in Precision
    if precision not in (Precision.INT8_FULL, Precision.A16W8)
}
OLDEST = "iOS 27"
UNPROVEN = "what hands an image's pixels on: Core AI on Linux cannot be given images, and is given the pixels"


def lower(
    functions: Sequence[Function], precision: Precision, path: Path, metadata: Metadata, interface: Interface = TENSORS
) -> Artefact:
    """Writes what the file computes to `path`, for images of several sizes as a function each. Raises ToolchainError."""
    several = len(functions) > 1
    names = [function_name(*_image_size(one.program)) for one in functions] if several else [MAIN]
    with atomic_path(path) as temporary, tempfile.TemporaryDirectory() as folder:
        job = Path(folder)
        named = dict(zip(names, functions, strict=True))
        described = job_of(job, named, precision, interface) | {"metadata": _described(metadata, precision, interface)}
        (job / "job.json").write_text(json.dumps(described), encoding="utf-8")
        try:
            Child("write_worker", str(job), str(temporary)).ask()
        except ChildError as error:
            raise ToolchainError(
                got=f"a failure of coreai-torch, {error}",
                allowed="a program that it can write",
                do="run `evit-mobile doctor`; if it finds nothing, report this with --debug",
            ) from error
        make_reproducible(temporary)
    inspected = inspect(path)
    return Artefact(
        format="coreai",
        precision=precision,
        path=path,
        bytes=inspected.bytes,
        sha256=sha256(path),
        inputs=inspected.inputs,
        outputs=inspected.outputs,
        toolchain=toolchain.versions(),
        oldest_runtime=OLDEST,
        unproven=None if interface.pixels is None else UNPROVEN,
    )


def job_of(folder: Path, named: dict[str, Function], precision: Precision, interface: Interface) -> dict[str, Any]:
    """What a worker is told of functions by their names, whose programs are saved in `folder`."""
    from converters.coreai import handover

    functions = []
    for name, function in named.items():
        handover.save(function.program, folder / name)
        functions.append({"name": name, "wide": sorted(function.islands)})
    return {
        "functions": functions,
        "floats": PRECISIONS[precision],
        "palette_bits": precision.palette_bits,
        "compressed": precision.compressed,
        "interface": asdict(interface),
    }


def _described(metadata: Metadata, precision: Precision, interface: Interface) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": metadata.description,
        "author": metadata.author,
        "license": metadata.license,
        "version": metadata.version,
        "precision": precision.value,
        **metadata.extra,
    }
    if metadata.labels:
        described["labels"] = list(metadata.labels)
    if metadata.preprocessing:
        described["preprocessing"] = metadata.preprocessing
    if interface.classes:
        described["output"] = PROBABILITIES
    return described | ({} if interface.pixels is None else interface.pixels.to_metadata())


def _image_size(program: ExportedProgram) -> tuple[int, int]:
    """(height, width) in pixels of a program's example image."""
    (image,), _ = program.example_inputs
    return tuple(image.shape[2:])
