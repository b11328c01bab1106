"""LiteRT with XNNPACK. Where a file takes or gives int8, converting is left out of what is timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import FloatArray
from converters.contract import Layout
from converters.tflite.runtime import image_layout, open_interpreter


class LiteRTEngine:
    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._input, self._output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        self._nhwc = image_layout(self._input["shape"]) is Layout.NHWC

    def put(self, image: FloatArray) -> None:
        stored = np.ascontiguousarray(image.transpose(0, 2, 3, 1) if self._nhwc else image)
        if self._input["dtype"] is np.int8:
            scale, zero_point = self._input["quantization"]
            stored = np.clip(np.round(stored / scale) + zero_point, -128, 127).astype(np.int8)
        self._interpreter.set_tensor(self._input["index"], stored)

    def run(self) -> None:
        self._interpreter.invoke()

    def logits(self) -> FloatArray:
        output = self._interpreter.get_tensor(self._output["index"]).astype(np.float32).reshape(-1)
        if self._output["dtype"] is np.int8:
            scale, zero_point = self._output["quantization"]
            output = (output - np.float32(zero_point)) * np.float32(scale)
        logits: FloatArray = output
        return logits


def open_engine(path: Path, threads: int) -> LiteRTEngine:
    return LiteRTEngine(open_interpreter(path, path.read_bytes(), threads=threads))
