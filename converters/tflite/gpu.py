"""LiteRT's GPU accelerator on a machine without a GPU: over lavapipe, Mesa's software Vulkan driver, in a process of its own.

The accelerator is part of ai-edge-litert for Linux and computes over Vulkan what it computes over WebGPU in a browser. Its fp16 is the
driver's: one without fp16 shaders makes it compute in fp32 without a word, and is refused (`converters.software_driver`).
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import FloatType
from converters.errors import ArtefactError, ToolchainError
from converters.software_driver import HOW, environment, folder, missing
from converters.tflite.child import Child, ChildInterpreter
from converters.tflite.graph import DataType
from converters.tflite.structure import read_model

if TYPE_CHECKING:
    import numpy as np

WORKER = Path(__file__).with_name("gpu_worker.py")

LEFT = "operations are not supported by GPU delegate:"
"""After this line of its log the accelerator lists what it leaves to the CPU, up to a line of sums."""

SHADER_FAULT = "Error while parsing WGSL"
"""In its log where a shader is no program: nothing is computed then, and `run` returns no error."""


class GpuInterpreter(ChildInterpreter):
    """An interpreter on the accelerator. Raises ArtefactError, ToolchainError as ChildInterpreter, and for a shader that is no program."""

    def invoke(self) -> None:
        super().invoke()
        faults = [line for line in self.log() if SHADER_FAULT in line]
        if faults:
            raise ArtefactError(
                got=f"{self._path.name}, of which LiteRT's GPU accelerator makes a shader that is no program: {faults[0]}",
                allowed="a file that it computes",
                do="convert the model again",
            )

    def left_to_cpu(self) -> list[str]:
        """The operations that the accelerator does not take, in its own words."""
        return operations_left(self.log())


def operations_left(log: list[str]) -> list[str]:
    starts = [number + 1 for number, line in enumerate(log) if line.endswith(LEFT)]
    return [line for start in starts[:1] for line in log[start : sums_after(log, start)]]


def sums_after(log: list[str], start: int) -> int:
    """Where the list that starts there ends."""
    return next((number for number in range(start, len(log)) if "will run on the" in log[number]), len(log))


FAITHFUL_DB = {DataType.FLOAT32: 80.0, DataType.INT8: 20.0}
"""What the accelerator in fp32 and the CPU owe each other, in files without int8 activations and with such: these are one code apart
here and there, and floats in the last bits.
"""


def least_db(path: Path) -> float:
    """The signal over the difference that outputs of the accelerator in fp32 need against the CPU's. Raises ArtefactError."""
    _, model = read_model(path)
    graph = model.subgraphs[0]
    types = {int(graph.tensors[index].type) for operator in graph.operators for index in operator.outputs}
    return FAITHFUL_DB[DataType.INT8 if DataType.INT8 in types else DataType.FLOAT32]


def sqnr_db(actual: np.ndarray, expected: np.ndarray) -> float:
    """Signal over difference; NaN where `actual` is not finite, minus infinity where `expected` is all zeros and `actual` is not."""
    import numpy as np

    signal = float(np.square(expected, dtype=np.float64).sum())
    noise = float(np.square(actual.astype(np.float64) - expected).sum())
    if not np.isfinite(noise):
        return math.nan
    if not noise:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def open_on_gpu(path: Path, host: Any, floats: FloatType) -> GpuInterpreter:
    """The file at `path`, which `host` has open on this machine, on the accelerator computing in `floats`. Raises ToolchainError where
    there is no driver.
    """
    lack = missing()
    if lack is not None:
        raise ToolchainError(got="no driver for LiteRT's GPU accelerator", allowed="a prepared one", do=lack)
    child = Child(
        command=[sys.executable, "-P", str(WORKER), str(floats)],
        environment=environment(folder()),
        words="by LiteRT's GPU accelerator",
        do=HOW,
    )
    return GpuInterpreter(path, host, child)
