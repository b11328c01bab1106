"""LiteRT's interpreter on Arm's kernels: the same calls, answered by a child process under qemu."""

from __future__ import annotations

import os
import subprocess
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.errors import ToolchainError

if TYPE_CHECKING:
    import numpy as np

VARIABLE = "EVIT_MOBILE_ARM"
"""Names the folder that scripts/arm/prepare.sh made."""

CORE = "cortex-a76"
"""With dot products and fp16, as phones have had them since 2019."""

WORKER = Path(__file__).with_name("arm_worker.py")
HOW = f"run scripts/arm/prepare.sh FOLDER of a checkout and set {VARIABLE}=FOLDER"


def missing() -> str | None:
    """None where the prepared folder is there, else what to do."""
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return f"no Arm system is prepared: {HOW}"
    if not all(Path(folder, part).exists() for part in ("qemu-aarch64", "root/usr/bin/python3.11", "site")):
        return f"{VARIABLE}={folder} is no prepared folder: {HOW}"
    return None


class ArmInterpreter:
    """An interpreter whose tensors are described by `host`, one on this machine, and computed by Arm's kernels.

    Raises ToolchainError where the child process ends before it should.
    """

    def __init__(self, path: Path, host: Any, command: list[str], environment: dict[str, str]) -> None:
        self._path, self._host = path, host
        self._process = subprocess.Popen(
            [*command, str(WORKER), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
        )
        weakref.finalize(self, self._process.kill)
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
            raise ToolchainError(
                got=f"no answer from {self._path.name} under qemu, exit code {self._process.wait()}",
                allowed="a file that LiteRT runs on Arm",
                do=HOW,
            )

    def get_tensor(self, _index: int) -> np.ndarray:
        import numpy as np

        detail = self.get_output_details()[0]
        return np.frombuffer(self._answer, detail["dtype"]).reshape(detail["shape"])


def open_on_arm(path: Path, host: Any, core: str = CORE) -> ArmInterpreter:
    """The file at `path`, which `host` has open on this machine, on Arm's kernels for `core`. Raises ToolchainError where these are
    missing.
    """
    lack = missing()
    if lack is not None:
        raise ToolchainError(got="no Arm kernels", allowed="a prepared folder", do=lack)
    folder = Path(os.environ[VARIABLE])
    python = folder / "root/usr/bin/python3.11"
    command = [
        folder / "qemu-aarch64",
        "-cpu",
        core,
        "-L",
        folder / "root",
        python,
        "-P",
    ]  # -P: our `inspect` is not the library's
    return ArmInterpreter(path, host, [str(part) for part in command], {"PYTHONPATH": str(folder / "site")})
