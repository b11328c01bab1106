"""Executing a compiled binary in Qualcomm's HTP emulator, which the x86-64 libraries of QNN contain.

The emulator imitates the SoC that it is told, and no chip where it is told none: floats are then fp32, which no phone has. The first
session of a process decides for all others in it, so every binary has a process of its own. What the process says of where its graph is
is checked: ONNX Runtime falls back to the CPU without a word.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from converters.errors import ToolchainError
from converters.processes import end
from converters.qualcomm.socs import Soc

if TYPE_CHECKING:
    import numpy as np

WORKER = Path(__file__).with_name("emulator_worker.py")
PROVIDER = "QNNExecutionProvider"
BINARY = "context.bin"
LAST_WORDS = 500
"""Characters of what the process printed that an error repeats."""
LIMIT_S = 900.0
"""The longest that loading a binary, or one run of it, may take; l3 takes a minute of a busy core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The input or output of a binary: `dtype` as NumPy calls it."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def to_json(self) -> dict[str, Any]:
        types = {"float32": "FLOAT", "int8": "INT8", "uint8": "UINT8", "uint16": "UINT16"}
        return {"name": self.name, "shape": self.shape, "dtype": self.dtype, "type": types[self.dtype]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A compiled graph by its name in `content`."""

    content: bytes
    graph: str
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]


class Emulator:
    """A binary in the emulator of one SoC. It loads while others do, and is waited for when it is first called: that raises ToolchainError
    where the binary does not run there, runs elsewhere, or where there is no answer in time. With `core` it stays on that one.
    """

    def __init__(self, binary: Binary, soc: Soc, core: int | None = None) -> None:
        self._binary, self._soc, self._late, self._ready = binary, soc, False, False
        folder = tempfile.TemporaryDirectory()
        self._words = Path(folder.name, "words.txt")
        Path(folder.name, BINARY).write_bytes(binary.content)
        job = {
            "binary": BINARY,
            "graph": binary.graph,
            "soc": str(soc.number),
            "core": core,
            "inputs": [end.to_json() for end in binary.inputs],
            "outputs": [end.to_json() for end in binary.outputs],
        }
        Path(folder.name, "job.json").write_text(json.dumps(job))
        with self._words.open("wb") as words:
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER), folder.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
            )
        weakref.finalize(self, _end, self._process, folder)

    def __call__(self, *values: np.ndarray) -> tuple[np.ndarray, ...]:
        """The outputs for inputs of the binary's shapes and dtypes."""
        import numpy as np

        if not self._ready:
            self._require_emulator()
            self._ready = True
        pipes = self._process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        dtypes = [np.dtype(output.dtype) for output in self._binary.outputs]
        sizes = [
            math.prod(output.shape) * dtype.itemsize for output, dtype in zip(self._binary.outputs, dtypes, strict=True)
        ]
        with self._limited():
            try:
                for each in values:
                    pipes.stdin.write(np.ascontiguousarray(each).tobytes())
                pipes.stdin.flush()
                contents = [pipes.stdout.read(size) for size in sizes]
            except BrokenPipeError:
                contents = [b""]
        if [len(content) for content in contents] != sizes:
            raise self._failure("ended while it ran")
        return tuple(
            np.frombuffer(content, dtype).reshape(output.shape)
            for content, dtype, output in zip(contents, dtypes, self._binary.outputs, strict=True)
        )

    def end(self) -> None:
        """Ends the process, from any thread; what waits for it gets a ToolchainError."""
        self._process.kill()

    def _require_emulator(self) -> None:
        """Raises ToolchainError unless the whole graph is in the emulator of this SoC."""
        assert self._process.stdout is not None
        with self._limited():
            line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failure("does not take the binary")
        said = json.loads(line)
        if said != {"nodes": {PROVIDER: ["EPContext"]}, "soc": str(self._soc.number)}:
            raise self._failure(f"was not what ran it: {said}")

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Ends the process, and with it whatever waits for it, where the block takes over LIMIT_S."""
        timer = Timer(LIMIT_S, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self._late = True
        self._process.kill()

    def _failure(self, what: str) -> ToolchainError:
        code, words = end(self._process), self._words.read_text("utf-8", "replace").strip()
        if self._late:
            what = f"gave no answer within {LIMIT_S:.0f} s"
        return ToolchainError(
            got=f"Qualcomm's emulator of {self._soc.name}, which {what} (exit code {code}): {words[-LAST_WORDS:]}",
            allowed=f"a binary that was compiled for {self._soc.name}, and runs there",
            do="compile the model again for this SoC",
        )


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    end(process)
    folder.cleanup()
