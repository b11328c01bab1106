"""Load and first run: what passes until a file gives its first result, ours beside the stock fp32 file, in turns on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.candidates import ROUTES, Origin, Runtime
from benchmarks.cost.evaluator import used_in
from benchmarks.cost.usage import Usage
from benchmarks.engines import open_engine
from converters.contract import Precision

MODELS = ("efficientvit_m0", "efficientvit_b0")
RUNTIMES = (Runtime.LITERT, Runtime.EXECUTORCH)
SUFFIXES = {Runtime.LITERT: ".tflite", Runtime.EXECUTORCH: ".pte"}
GOAL = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstResult:
    """One of our files, among those that `python -m benchmarks` wrote."""

    model: str
    runtime: Runtime
    precision: Precision

    @property
    def name(self) -> str:
        return f"first-{self.model}-{self.runtime}-{self.precision}"

    @property
    def title(self) -> str:
        return f"load and first run, {self.model} {self.precision}, {self.runtime}"

    def ours(self, folder: Path) -> Path:
        return self._path(folder, Origin.OURS, self.precision)

    def stock(self, folder: Path) -> Path:
        return self._path(folder, Origin.STOCK, Precision.FP32)

    def _path(self, folder: Path, origin: Origin, precision: Precision) -> Path:
        (route,) = (route.name for route in ROUTES if (route.runtime, route.origin) == (self.runtime, origin))
        return folder / self.model / route / f"{precision}{SUFFIXES[self.runtime]}"


FIRST_RESULTS = {
    one.name: one
    for one in (
        FirstResult(model=model, runtime=runtime, precision=precision)
        for model, runtime, precision in product(MODELS, RUNTIMES, (Precision.FP32, Precision.INT8))
    )
}


def first_result_turns(
    runtime: Runtime, ours: Path, theirs: Path, rounds: int
) -> tuple[tuple[Usage, ...], tuple[Usage, ...]]:
    """(ours, theirs): what loading and the first run took in each round. To be run in a process of its own, which has loaded each once
    before: so the runtime's own start is left out, and files come from memory.
    """

    image = np.zeros((1, 3, 224, 224), np.float32)

    def result(path: Path) -> None:
        engine = open_engine(runtime, path, 1)
        engine.put(image)
        engine.run()

    def first(path: Path) -> Usage:
        return used_in(lambda: result(path))

    pairs = [(first(ours), first(theirs)) for _ in range(rounds + 1)][1:]
    mine, others = zip(*pairs, strict=True)
    return mine, others
