"""Asking Arm's compiler Vela which operations of a .tflite file an Ethos-U NPU runs.

Vela (the package ethos-u-vela) puts what the NPU runs into operations of its own and leaves the others, for the CPU, as they
were. They are read back from the file that it writes, and its reasons from what it prints.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib import metadata as distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from converters.contract import Delegation
from converters.errors import ToolchainError
from converters.tflite.inspect import collect_fallbacks, operator_kinds
from converters.tflite.structure import read_model

ACCELERATORS = ("ethos-u55-256", "ethos-u85-256")
TIME_LIMIT_S = 600
REASON = re.compile(r"Warning \(supported operators\) operator: \w+, ofm: '(.*)'\n\s*Reason: (.*)")
UNNAMED_REASON = "Vela leaves it on the CPU"


def compile_for_npu(path: Path) -> tuple[Delegation, ...]:
    """How each of ACCELERATORS takes the file; empty where Vela is not installed. Raises ArtefactError, ToolchainError."""
    if find_spec("ethosu") is None:
        return ()
    return tuple(compile_with_vela(path, accelerator) for accelerator in ACCELERATORS)


def compile_with_vela(path: Path, accelerator: str) -> Delegation:
    """How Vela takes the file for one accelerator, by the name that Vela gives it."""
    _, original = read_model(path)
    with tempfile.TemporaryDirectory() as folder:
        printed = _run_vela(path, accelerator, folder)
        compiled = _read_compiled(Path(folder))
    reasons: dict[str, str] = dict(REASON.findall(printed))
    subgraph = compiled.subgraphs[0]
    left = [number for number, kind in enumerate(operator_kinds(compiled)) if kind != "CUSTOM"]

    def reason(_kind: str, operator: Any) -> str:
        name = subgraph.tensors[operator.outputs[0]].name.decode()
        return reasons.get(name, UNNAMED_REASON)

    total = len(original.subgraphs[0].operators)
    return Delegation(
        delegate=f"{accelerator} (Vela {distribution.version('ethos-u-vela')})",
        partitions=len(subgraph.operators) - len(left),
        delegated_ops=total - len(left),
        total_ops=total,
        fallback=collect_fallbacks(compiled, left, reason),
    )


def _run_vela(path: Path, accelerator: str, folder: str) -> str:
    """What Vela prints."""
    command = [
        sys.executable,
        "-m",
        "ethosu.vela",
        str(path),
        "--accelerator-config",
        accelerator,
        "--output-dir",
        folder,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise _failed(path, accelerator, f"no result after {TIME_LIMIT_S} s") from None
    if done.returncode != 0:
        raise _failed(path, accelerator, (done.stderr or done.stdout).strip()[-500:])
    printed: str = done.stdout + done.stderr
    return printed


def _read_compiled(folder: Path) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    (written,) = folder.glob("*_vela.tflite")
    return schema.ModelT.InitFromPackedBuf(written.read_bytes(), 0)


def _failed(path: Path, accelerator: str, detail: str) -> ToolchainError:
    return ToolchainError(
        got=f"{path.name}, which Vela cannot compile for {accelerator}: {detail}",
        allowed="an int8 .tflite file",
        do="report this file, or uninstall ethos-u-vela to skip the check",
    )
