"""What is measured: the literal table of routes from a module to files, and the files they wrote."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from converters.contract import Precision


class Runtime(StrEnum):
    """The runtimes, by the names of their modules in `benchmarks/engines`."""

    LITERT = "litert"
    EXECUTORCH = "executorch"
    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    NCNN = "ncnn"


class Origin(StrEnum):
    """Whose converter made a file: ours, or the one that a user of the runtime would take."""

    OURS = "ours"
    STOCK = "stock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to files for one runtime. `converter` names a function of benchmarks/routes, `packages` what it uses.

    `for_rivals` says whether networks of other families take it too.
    """

    name: str
    runtime: Runtime
    origin: Origin
    converter: str
    packages: tuple[str, ...]
    precisions: tuple[Precision, ...] = (Precision.FP32, Precision.INT8)
    for_rivals: bool = True


ROUTES: tuple[Route, ...] = (
    Route(
        name="ours-litert",
        runtime=Runtime.LITERT,
        origin=Origin.OURS,
        converter="benchmarks.routes.ours:convert_litert",
        packages=("evit-mobile", "ai-edge-litert"),
    ),
    Route(
        name="litert-torch",
        runtime=Runtime.LITERT,
        origin=Origin.STOCK,
        converter="benchmarks.routes.litert_torch:convert",
        packages=("litert-torch", "ai-edge-quantizer", "ai-edge-litert"),
    ),
    Route(
        name="ours-executorch",
        runtime=Runtime.EXECUTORCH,
        origin=Origin.OURS,
        converter="benchmarks.routes.ours:convert_executorch",
        packages=("evit-mobile", "executorch"),
    ),
    Route(
        name="executorch",
        runtime=Runtime.EXECUTORCH,
        origin=Origin.STOCK,
        converter="benchmarks.routes.executorch:convert",
        packages=("executorch", "torchao"),
        for_rivals=False,
    ),
    Route(
        name="onnxruntime",
        runtime=Runtime.ONNXRUNTIME,
        origin=Origin.STOCK,
        converter="benchmarks.routes.onnxruntime:convert",
        packages=("onnxruntime", "onnx", "onnxscript"),
    ),
    Route(
        name="openvino",
        runtime=Runtime.OPENVINO,
        origin=Origin.STOCK,
        converter="benchmarks.routes.openvino:convert",
        packages=("openvino", "nncf"),
        for_rivals=False,
    ),
    Route(
        name="ncnn",
        runtime=Runtime.NCNN,
        origin=Origin.STOCK,
        converter="benchmarks.routes.ncnn:convert",
        packages=("ncnn", "pnnx"),
        precisions=(Precision.FP32,),
        for_rivals=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that was to be written for `model`. `path` is None where that failed, and `error` says why.

    `convert_s` is the wall time from the module (for int8 of most stock routes: from the fp32 file) to the file, without imports,
    `convert_cpu_s` the processor time of it, which other people's work disturbs less.
    """

    model: str
    runtime: Runtime
    origin: Origin
    precision: Precision
    path: Path | None
    bytes: int = 0
    convert_s: float | None = None
    convert_cpu_s: float | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """Unique within a run."""
        return f"{self.model} {self.runtime} {self.origin} {self.precision}"
