"""LiteRT's interpreter on Arm's kernels: the same calls, answered by a child process under qemu."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from converters.errors import ToolchainError
from converters.tflite.child import Child, ChildInterpreter

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


def open_on_arm(path: Path, host: Any, core: str = CORE) -> ChildInterpreter:
    """The file at `path`, which `host` has open on this machine, on Arm's kernels for `core`. Raises ToolchainError where these are
    missing.
    """
    lack = missing()
    if lack is not None:
        raise ToolchainError(got="no Arm kernels", allowed="a prepared folder", do=lack)
    folder = Path(os.environ[VARIABLE])
    command = [
        folder / "qemu-aarch64",
        "-cpu",
        core,
        "-L",
        folder / "root",
        folder / "root/usr/bin/python3.11",
        "-P",  # our `inspect` is not the library's
        WORKER,
    ]
    child = Child(
        command=[str(part) for part in command],
        environment={"PYTHONPATH": str(folder / "site")},
        words="under qemu",
        do=HOW,
    )
    return ChildInterpreter(path, host, child)
