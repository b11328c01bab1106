"""ExecuTorch: .pte files whose operations run in XNNPACK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, FloatType, Inspection, Metadata, Precision, Runner, SettingsRun
from converters.errors import ToolchainError
from converters.executorch.quiet import quiet_toolchain
from converters.files import write_bytes
from converters.interface import TENSORS, Choices, Interface
from converters.written import written

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram

PACKAGES = ("executorch", "torchao")
OLDEST_RUNTIME = "executorch 1.4.0"
"""The oldest release that all precisions were run on (docs/executorch.md)."""


class ExecuTorchTarget:
    """The Target of .pte files, with the interface that is asked for. See `converters.contract`."""

    name = "executorch"
    suffix = ".pte"
    precisions: Mapping[Precision, FloatType] = MappingProxyType(
        {Precision.FP32: FloatType.FP32, Precision.FP16: FloatType.FP16, Precision.INT8: FloatType.FP32}
    )
    runtime = "ExecuTorch with XNNPACK on the CPU"
    evaluated = False
    several_sizes = False
    takes_pixels = True

    def __init__(self, interface: Interface = TENSORS) -> None:
        self.interface = interface

    def chosen(self, choices: Choices) -> ExecuTorchTarget:
        """Files of other delegates have one interface only."""
        return ExecuTorchTarget(choices.interface) if self.takes_pixels else self

    def missing(self) -> str | None:
        absent = [package for package in PACKAGES if find_spec(package) is None]
        if not absent:
            return None
        return f"{' and '.join(absent)} not installed: pip install 'evit-mobile[executorch]'"

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        self._require()
        with quiet_toolchain():
            from converters.executorch.container import read_container
            from converters.executorch.inspect import tensor_specs
            from converters.executorch.lower import to_bytes

            known = replace(metadata, extra={**metadata.extra, "oldest_runtime": OLDEST_RUNTIME})
            content = to_bytes(program, precision, known, self.interface)
            inputs, outputs = tensor_specs(read_container(content))
        write_bytes(path, content)
        return written(
            path,
            format=self.name,
            precision=precision,
            inputs=inputs,
            outputs=outputs,
            packages=("torch", "executorch"),
            oldest_runtime=OLDEST_RUNTIME,
        )

    def load(self, path: Path) -> Runner:
        self._require()
        with quiet_toolchain():
            from converters.executorch.container import read_file
            from converters.executorch.runtime import make_runner

            return make_runner(read_file(path))

    def run_with_settings(self, path: Path, images: np.ndarray) -> SettingsRun | None:
        self._require()
        with quiet_toolchain():
            from converters.executorch.runtime import run_with_weight_cache

            return run_with_weight_cache(path, images)

    def inspect(self, path: Path) -> Inspection:
        self._require()
        with quiet_toolchain():
            from converters.executorch.container import read_file
            from converters.executorch.inspect import inspect_content

            return inspect_content(read_file(path))

    def _require(self) -> None:
        reason = self.missing()
        if reason is not None:
            raise ToolchainError(got=reason, allowed="executorch and torchao", do="install them and try again")
