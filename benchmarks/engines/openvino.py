"""OpenVINO's CPU plugin, tuned for latency, float arithmetic in fp32 where the file says fp32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import FloatArray


class OpenVinoEngine:
    def __init__(self, request: Any) -> None:
        self._request = request
        self._input = request.get_input_tensor().data
        self._output = request.get_output_tensor().data

    def put(self, image: FloatArray) -> None:
        self._input[:] = image

    def run(self) -> None:
        self._request.start_async()
        self._request.wait()

    def logits(self) -> FloatArray:
        return np.array(self._output, np.float32).reshape(-1)


def open_engine(path: Path, threads: int) -> OpenVinoEngine:
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # else it may choose bfloat16 by itself
    }
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return OpenVinoEngine(compiled.create_infer_request())
