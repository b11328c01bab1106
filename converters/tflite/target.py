"""LiteRT as a target of the converter contract."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, Delegation, FloatType, Inspection, Metadata, Precision, Runner
from converters.interface import TENSORS, Choices, Interface
from converters.tflite.inspect import inspect_file, inspect_model
from converters.tflite.runtime import RUNTIME, load_runner

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class TFLiteTarget:
    """LiteRT flatbuffers for Android, the web and small Linux boards, with the interface that is asked for."""

    name = "tflite"
    suffix = ".tflite"
    precisions: Mapping[Precision, FloatType] = MappingProxyType(
        {
            precision: FloatType.FP16 if precision is Precision.FP16 else FloatType.FP32
            for precision in Precision
            if precision.palette_bits is None and precision is not Precision.A16W8
        }
    )
    runtime = RUNTIME
    evaluated = False
    several_sizes = False
    takes_pixels = True

    def __init__(self, interface: Interface = TENSORS, *, cpu_only: bool = False) -> None:
        """With `cpu_only` files are in the form that is best for CPUs, which GPUs may refuse or compute wrongly."""
        self.interface, self.cpu_only = interface, cpu_only

    def for_cpus(self) -> TFLiteTarget:
        return TFLiteTarget(self.interface, cpu_only=True)

    def chosen(self, choices: Choices) -> TFLiteTarget:
        return TFLiteTarget(choices.interface, cpu_only=self.cpu_only)

    def missing(self) -> str | None:
        if find_spec("ai_edge_litert") is None:
            return "ai-edge-litert is not installed: pip install 'evit-mobile[tflite]'"
        return None

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        from converters.files import write_bytes
        from converters.tflite.flatbuffer import read_oldest_release
        from converters.tflite.lower import to_bytes
        from converters.tflite.structure import read_model
        from converters.tflite.versions import oldest_runtime
        from converters.written import written

        write_bytes(path, to_bytes(program, precision, metadata, self.interface, cpu_only=self.cpu_only))
        content, model = read_model(path)
        inspection = inspect_model(path, content, model)
        return written(
            path,
            format=self.name,
            precision=precision,
            inputs=inspection.inputs,
            outputs=inspection.outputs,
            packages=("ai-edge-litert", "flatbuffers", "torch"),
            oldest_runtime=oldest_runtime(read_oldest_release(model)),
        )

    def load(self, path: Path) -> Runner:
        return load_runner(path)

    def inspect(self, path: Path) -> Inspection:
        return inspect_file(path)

    def compile_for_npu(self, path: Path) -> tuple[Delegation, ...]:
        from converters.tflite.npu import compile_for_npu

        return compile_for_npu(path)
