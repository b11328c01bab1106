"""A .pte file whose only operation is a call of Core ML: the program of `--format coreml`, packed for ExecuTorch's delegate.

executorch's own route (`CoreMLPartitioner`) converts with coremltools' PyTorch frontend, which names operations by number and has
no translation for int8 graphs. What its delegate unpacks and runs is an ML Program package, so the one that our Core ML target
writes is put there. On the way back, whatever runs packages here runs the one inside: on Linux the reference evaluator.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import Artefact, Delegation, Inspection, Metadata, Precision, Runner, SettingsRun, Target
from converters.executorch.damage import damaged
from converters.executorch.quiet import quiet_toolchain
from converters.executorch.target import PACKAGES, ExecuTorchTarget
from converters.files import sha256, size_bytes, write_bytes
from converters.interface import Choices
from converters.traits import Choosable

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram

BACKEND = "CoreMLBackend"
COMPILE_SPECS = {"compute_units": b"all", "model_type": b"model"}
"""What the delegate's runtime reads besides the package (`CoreMLBackend.generate_compile_specs`)."""

ROOT, PACKAGE, DESCRIPTION = "lowered_module", "model.mlpackage", "metadata.json"
"""Names that the delegate's runtime looks for (`MODEL_PATHS` in backends/apple/coreml/compiler/coreml_preprocess.py)."""


class CoreMLDelegateTarget(ExecuTorchTarget):
    """The Target of .pte files for Apple's devices."""

    name = "executorch-coreml"
    suffix = ".coreml.pte"
    takes_pixels = False

    def __init__(self, packages: Target) -> None:
        """`packages` is what writes, reads and runs the package inside."""
        self.packages = packages
        self.precisions = self.packages.precisions
        self.evaluated = self.packages.evaluated
        self.runtime = f"{self.packages.runtime}, given the Core ML program inside"

    def chosen(self, choices: Choices) -> CoreMLDelegateTarget:
        """The package inside has islands, and one interface only."""
        inside = self.packages
        only = Choices(islands=choices.islands)
        return CoreMLDelegateTarget(inside.chosen(only)) if isinstance(inside, Choosable) else self

    def missing(self) -> str | None:
        return super().missing() or self.packages.missing()

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        self._require()
        with quiet_toolchain(), tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary, ROOT)
            inner = self.packages.lower(program, precision, root / PACKAGE, metadata)
            describe(inner, root / DESCRIPTION)
            content = pack(root, inner, metadata)
        write_bytes(path, content)
        return replace(
            inner,
            format=self.name,
            path=path,
            bytes=size_bytes(path),
            sha256=sha256(path),
            toolchain={**inner.toolchain, **{package: version(package) for package in PACKAGES[:1]}},
        )

    def load(self, path: Path) -> Runner:
        self._require()
        with unpacked(path) as package:
            return self.packages.load(package)

    def run_with_settings(self, path: Path, images: np.ndarray) -> SettingsRun | None:  # noqa: ARG002  # the contract's signature
        return None

    def inspect(self, path: Path) -> Inspection:
        self._require()
        with unpacked(path) as package:
            inspection = self.packages.inspect(package)
        inside = inspection.delegation
        assert inside is not None
        delegation = Delegation(
            delegate="Core ML",
            partitions=1,
            delegated_ops=inside.total_ops,
            total_ops=inside.total_ops,
        )
        notes = (f"{one.count} {one.op} inside: {one.reason}" for one in inside.fallback)
        return replace(inspection, bytes=size_bytes(path), delegation=delegation, notes=(*inspection.notes, *notes))


def describe(inner: Artefact, path: Path) -> None:
    """Writes what the delegate's runtime has to know of the package; its identifier is the key of the device's model cache."""
    names = {"inputNames": [one.name for one in inner.inputs], "outputNames": [one.name for one in inner.outputs]}
    path.write_text(json.dumps({**names, "identifier": f"executorch_{inner.sha256}"}))


def pack(root: Path, inner: Artefact, metadata: Metadata) -> bytes:
    """The .pte file that hands its input to the package in `root`."""
    from converters.executorch.container import write_container
    from converters.executorch.delegate import Blob
    from converters.executorch.delegates.folder import flatten
    from converters.executorch.graph import DataType, Graph, Tensor

    inputs, outputs = (
        [Tensor(shape=one.shape, dtype=DataType.FP32) for one in specs] for specs in (inner.inputs, inner.outputs)
    )
    blob = Blob(graph=flatten(root), constants={})
    return write_container(Graph(inputs=inputs, outputs=outputs), blob, metadata, BACKEND, COMPILE_SPECS)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The package inside the .pte file at `path`, for the time being. Raises ArtefactError unless it is all that the file runs."""
    with quiet_toolchain(), tempfile.TemporaryDirectory() as temporary:
        from converters.executorch.container import open_container, read_file
        from converters.executorch.delegates.folder import unflatten

        container = open_container(read_file(path))
        delegate = only_delegate(container.plan)
        unflatten(container.blob(delegate), Path(temporary))
        yield Path(temporary, ROOT, PACKAGE)


def only_delegate(plan: Any) -> Any:
    """The Core ML delegate that is called and nothing else. Raises ArtefactError."""
    calls = [type(one.instr_args).__name__ for chain in plan.chains for one in chain.instructions]
    if calls != ["DelegateCall"] or [one.id for one in plan.delegates] != [BACKEND]:
        raise damaged(f"a program of {', '.join(calls) or 'no operations'} for {[one.id for one in plan.delegates]}")
    return plan.delegates[0]
