"""ncnn on the CPU. An extractor serves one inference, so making it is part of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import FloatArray


class NcnnEngine:
    def __init__(self, net: Any) -> None:
        self._net = net
        self._input: Any = None
        self._output: Any = None

    def put(self, image: FloatArray) -> None:
        import ncnn

        self._input = ncnn.Mat(image[0]).clone()

    def run(self) -> None:
        extractor = self._net.create_extractor()
        extractor.input("in0", self._input)
        _, self._output = extractor.extract("out0")

    def logits(self) -> FloatArray:
        return np.array(self._output, np.float32).reshape(-1)


def open_engine(path: Path, threads: int) -> NcnnEngine:
    """`path` is the .param file; the weights lie beside it. Raises ValueError if ncnn refuses either."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    if net.load_param(str(path)) != 0 or net.load_model(str(path.with_suffix(".bin"))) != 0:
        raise ValueError(f"ncnn refuses {path.name}: it has a layer that ncnn does not know")
    return NcnnEngine(net)
