"""LiteRT with XNNPACK."""

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
        if any(tensor["dtype"] is not np.float32 for tensor in (self._input, self._output)):
            raise ValueError("the file's input or output is not float32")
        self._nhwc = image_layout(self._input["shape"]) is Layout.NHWC

    def put(self, image: FloatArray) -> None:
        stored = image.transpose(0, 2, 3, 1) if self._nhwc else image
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(stored))

    def run(self) -> None:
        self._interpreter.invoke()

    def logits(self) -> FloatArray:
        output: FloatArray = self._interpreter.get_tensor(self._output["index"])
        return output.reshape(-1)


def open_engine(path: Path, threads: int) -> LiteRTEngine:
    return LiteRTEngine(open_interpreter(path, path.read_bytes(), threads=threads))
