"""ONNX Runtime's CPU provider, all graph optimisations on, input and output bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.engines import FloatArray


class OnnxRuntimeEngine:
    def __init__(self, session: Any) -> None:
        self._session, self._binding = session, session.io_binding()
        self._input = session.get_inputs()[0].name
        self._binding.bind_output(session.get_outputs()[0].name)

    def put(self, image: FloatArray) -> None:
        self._binding.bind_cpu_input(self._input, image)

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def logits(self) -> FloatArray:
        output: FloatArray = self._binding.copy_outputs_to_cpu()[0]
        return output.reshape(-1)


def open_engine(path: Path, threads: int) -> OnnxRuntimeEngine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return OnnxRuntimeEngine(onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]))
