"""Running a written file: one file per runtime. Each gives `open_engine(path, threads)`.

What is timed is `run()` alone: the input already lies where the runtime wants it, and the output is not fetched. Each engine
uses the call of its Python API with the least overhead.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.candidates import Runtime

FloatArray = NDArray[np.float32]


class Engine(Protocol):
    """A loaded file, ready to run on a number of threads that was fixed on loading."""

    def put(self, image: FloatArray) -> None:
        """Sets the input (1, 3, H, W) of the runs that follow."""
        ...

    def run(self) -> None:
        """One inference."""
        ...

    def logits(self) -> FloatArray:
        """Output (classes,) of the last run."""
        ...


def open_engine(runtime: Runtime, path: Path, threads: int) -> Engine:
    """`path` in its runtime. Raises whatever the runtime does when it refuses the file."""
    open_file: Callable[[Path, int], Engine] = import_module(f"benchmarks.engines.{runtime}").open_engine
    return open_file(path, threads)
