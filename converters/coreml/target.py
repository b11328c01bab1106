"""Core ML as a target of the converter contract."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, Delegation, FloatType, Inspection, Metadata, Precision, Runner
from converters.coreml import inspect, lower, runtime, toolchain
from converters.coreml.options import TENSORS, Options

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class CoreMLTarget:
    """ML Programs for iPhones and Macs, with the interface that `options` ask for."""

    name = "coreml"
    suffix = ".mlpackage"
    precisions = MappingProxyType(
        {Precision.FP32: FloatType.FP32, Precision.FP16: FloatType.FP16, Precision.INT8: FloatType.FP16}
    )
    runtime = runtime.runtime()

    def __init__(self, options: Options = TENSORS) -> None:
        self.options = options

    def missing(self) -> str | None:
        return toolchain.missing()

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        return lower.lower(program, precision, path, metadata, self.options)

    def load(self, path: Path) -> Runner:
        return runtime.load(path)

    def inspect(self, path: Path) -> Inspection:
        return inspect.inspect(path)

    def compile_for_npu(self, path: Path) -> tuple[Delegation, ...]:  # noqa: ARG002  # the contract's signature
        return ()
