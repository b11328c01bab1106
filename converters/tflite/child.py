"""LiteRT's interpreter in a process of its own, where other kernels or another driver compute: the same calls, answered by that."""

from __future__ import annotations

import os
import subprocess
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from converters.errors import ArtefactError, ConverterError, ToolchainError
from converters.processes import end, ended

if TYPE_CHECKING:
    import numpy as np

LOG_LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """How the process is started. `words` say where it runs, `do` what to do if it ends before it should."""

    command: Sequence[str]
    environment: Mapping[str, str]
    words: str
    do: str


class ChildInterpreter:
    """An interpreter whose tensors are described by `host`, one on this machine, and computed by `child`, which reads inputs of the file's
    own size and type from stdin and writes outputs likewise to stdout.

    Raises ToolchainError where the process ends before it should, ArtefactError where it says that the file is the reason.
    """

    def __init__(self, path: Path, host: Any, child: Child) -> None:
        self._path, self._host, self._child = path, host, child
        self._log = TemporaryFile()  # noqa: SIM115  # open as long as the process
        self._process = subprocess.Popen(
            [*child.command, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **child.environment},
        )
        weakref.finalize(self, end, self._process)
        self._input, self._answer = b"", b""

    def get_input_details(self) -> list[dict[str, Any]]:
        return list(self._host.get_input_details())

    def get_output_details(self) -> list[dict[str, Any]]:
        return list(self._host.get_output_details())

    def set_tensor(self, _index: int, values: np.ndarray) -> None:
        self._input = values.tobytes()

    def invoke(self) -> None:
        import numpy as np

        detail = self.get_output_details()[0]
        size = int(np.prod(detail["shape"])) * np.dtype(detail["dtype"]).itemsize
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        try:
            requests.write(self._input)
            requests.flush()
            self._answer = answers.read(size)
        except BrokenPipeError:
            self._answer = b""
        if len(self._answer) != size:
            raise self._ended(ended(self._process))

    def get_tensor(self, _index: int) -> np.ndarray:
        import numpy as np

        detail = self.get_output_details()[0]
        return np.frombuffer(self._answer, detail["dtype"]).reshape(detail["shape"])

    def log(self) -> list[str]:
        """What the process has written to stderr so far, by lines."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def _ended(self, code: int) -> ConverterError:
        said = [
            line for line in self.log() if not line.startswith("INFO")
        ]  # LiteRT announces what it registers and removes
        words = " ".join(said[-LOG_LINES:])
        if code == os.EX_DATAERR:
            return ArtefactError(
                got=f"{self._path.name}, which is refused {self._child.words}: {words}",
                allowed="a file that is taken there",
                do="convert the model again",
            )
        return ToolchainError(
            got=f"no answer from {self._path.name} {self._child.words}, exit code {code}" + (words and f" ({words})"),
            allowed="a file that LiteRT runs there",
            do=self._child.do,
        )
