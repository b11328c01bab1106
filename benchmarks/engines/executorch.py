"""ExecuTorch with XNNPACK. The size of its thread pool is the process's, not the method's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmarks.engines import FloatArray
from converters.executorch.runtime import load_method, load_program


class ExecuTorchEngine:
    def __init__(self, program: Any) -> None:
        self._program = program  # the method does not keep it alive
        self._method = load_method(program, "forward")
        self._inputs: list[torch.Tensor] = []
        self._outputs: Any = None

    def put(self, image: FloatArray) -> None:
        self._inputs = [torch.from_numpy(image)]

    def run(self) -> None:
        self._outputs = self._method.execute(self._inputs)

    def logits(self) -> FloatArray:
        output: FloatArray = self._outputs[0].numpy()
        return output.reshape(-1)


def open_engine(path: Path, threads: int) -> ExecuTorchEngine:
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool

    _unsafe_reset_threadpool(threads)
    return ExecuTorchEngine(load_program(path.read_bytes()))
