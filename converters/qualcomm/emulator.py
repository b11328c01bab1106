"""Executing a compiled binary in Qualcomm's HTP emulator, which the x86-64 libraries of QNN contain.

The emulator imitates the SoC that it is told, and no chip where it is told none: floats are then fp32, which no phone has. The first
session of a process decides for all others in it, so every binary has a process of its own. What the process says of where its graph is
is checked: ONNX Runtime falls back to the CPU without a word.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.errors import ToolchainError
from converters.qualcomm.socs import Soc

if TYPE_CHECKING:
    import numpy as np

WORKER = Path(__file__).with_name("emulator_worker.py")
PROVIDER = "QNNExecutionProvider"
BINARY = "context.bin"
LAST_WORDS = 500
"""Characters of what the process printed that an error repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The input or output of a binary: `dtype` as NumPy calls it."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def to_json(self) -> dict[str, Any]:
        types = {"float32": "FLOAT", "int8": "INT8", "uint8": "UINT8"}
        return {"name": self.name, "shape": self.shape, "dtype": self.dtype, "type": types[self.dtype]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A compiled graph by its name in `content`, one input, one output."""

    content: bytes
    graph: str
    input: End
    output: End


class Emulator:
    """A binary in the emulator of one SoC, ready to run. Raises ToolchainError where it does not run there, or elsewhere than there."""

    def __init__(self, binary: Binary, soc: Soc) -> None:
        self._binary, self._soc = binary, soc
        folder = tempfile.TemporaryDirectory()
        self._words = Path(folder.name, "words.txt")
        Path(folder.name, BINARY).write_bytes(binary.content)
        job = {
            "binary": BINARY,
            "graph": binary.graph,
            "soc": str(soc.number),
            "input": binary.input.to_json(),
            "output": binary.output.to_json(),
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
        self._require_emulator()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The output for an input of the binary's shape and dtype."""
        import numpy as np

        output, pipes = self._binary.output, self._process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        dtype = np.dtype(output.dtype)
        size = int(np.prod(output.shape)) * dtype.itemsize
        try:
            pipes.stdin.write(np.ascontiguousarray(values).tobytes())
            pipes.stdin.flush()
            content = pipes.stdout.read(size)
        except BrokenPipeError:
            content = b""
        if len(content) != size:
            raise self._failure("ended while it ran")
        return np.frombuffer(content, dtype).reshape(output.shape)

    def _require_emulator(self) -> None:
        """Raises ToolchainError unless the whole graph is in the emulator of this SoC."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failure("does not take the binary")
        said = json.loads(line)
        if said != {"nodes": {PROVIDER: ["EPContext"]}, "soc": str(self._soc.number)}:
            raise self._failure(f"was not what ran it: {said}")

    def _failure(self, what: str) -> ToolchainError:
        self._process.kill()
        code, words = self._process.wait(), self._words.read_text("utf-8", "replace").strip()
        return ToolchainError(
            got=f"Qualcomm's emulator of {self._soc.name}, which {what} (exit code {code}): {words[-LAST_WORDS:]}",
            allowed=f"a binary that was compiled for {self._soc.name}, and runs there",
            do="compile the model again for this SoC",
        )


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    process.kill()
    process.wait()
    folder.cleanup()
