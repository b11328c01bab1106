"""Stands in the place of `convert_cell`, in a process of its own; imports nothing heavy."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Any


def summary(payload: dict[str, Any]) -> dict[str, Any]:
    row = {
        "path": "model.tflite",
        "bytes": 4,
        "sha256": str(payload["request"]["seed"]),
        "oldest_runtime": None,
        "on": "xnnpack",
        "runtime": "none",
        "verdict": "passed",
        "reason": "",
        "images": 256,
        "sqnr_db": 30.0,
        "agreement": 1.0,
        "top1_reference": 93.0,
        "top1": 92.5,
    }
    return {"model": "efficientvit_m0", "params": 2, "macs": 3, "size": [64, 64], "rows": [row]}


def written(payload: dict[str, Any], _report: object = None) -> dict[str, Any]:
    """A cell that writes two small files."""
    out = Path(payload["out"])
    out.mkdir(parents=True)
    (out / "model.tflite").write_text("four")
    (out / "manifest.json").write_text("{}")
    log = os.environ.get("CELLS_RAN")
    if log:
        with Path(log).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"{payload['title']} {payload['request']['seed']}\n")
    return summary(payload)


def slow(payload: dict[str, Any], report: Any) -> dict[str, Any]:
    """A cell that takes a moment after its first file."""
    report("starting")
    found = written(payload)
    time.sleep(0.4)
    return found


def endless(_payload: dict[str, Any], _report: Any) -> dict[str, Any]:
    """A cell that never ends, and says in the file CELLS_PID who it is."""
    Path(os.environ["CELLS_PID"]).write_text(str(os.getpid()))
    while True:
        time.sleep(1)


def failing(_payload: dict[str, Any], _report: Any) -> dict[str, Any]:
    raise ValueError("planted")


def dying(payload: dict[str, Any], _report: Any) -> dict[str, Any]:
    """A cell whose process is killed, as by the system without memory."""
    written(payload)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def full(payload: dict[str, Any], _report: Any) -> dict[str, Any]:
    """A cell that fills its disk."""
    out = Path(payload["out"])
    out.mkdir(parents=True)
    (out / "half").write_text("half")
    try:
        raise OSError(28, "No space left on device")
    except OSError as error:
        raise RuntimeError("could not save") from error
