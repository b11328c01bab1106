"""Functions that jobs name, in a process of its own; imports nothing heavy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

Report = Callable[[str], None]


def doubled(payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """What prints to wherever it can, and gives what JSON does not have."""
    print("to nobody")
    os.write(1, b"nor this\n")
    report("half way")
    threads = int(os.environ["OMP_NUM_THREADS"])
    return {"value": 2 * payload["value"], "threads": threads, "nan": float("nan"), "pair": (1, 2)}


def failing(_payload: dict[str, Any], _report: Report) -> None:
    raise ValueError("planted")


def leaving(_payload: dict[str, Any], report: Report) -> None:
    """Ends its process without an answer."""
    report("about to leave")
    os._exit(7)


def waiting(_payload: dict[str, Any], report: Report) -> None:
    report(str(os.getpid()))
    time.sleep(60)
