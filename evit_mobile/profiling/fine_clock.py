"""Builds fine_clock.c, which lets a child process tell the times of operators in nanoseconds. Linux with a C compiler only."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from evit_mobile.profiling.operator_worker import CLOCK_VARIABLE

SOURCE = Path(__file__).with_name("fine_clock.c")


@contextlib.contextmanager
def fine_clock() -> Iterator[dict[str, str]]:
    """The environment of a child process with the library in it; an unchanged one where it cannot be built."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "fine_clock.so"
        built = build(library)
        preloaded = " ".join(filter(None, (str(library), os.environ.get("LD_PRELOAD"))))
        yield {**os.environ, "LD_PRELOAD": preloaded, CLOCK_VARIABLE: str(library)} if built else dict(os.environ)


def build(library: Path) -> bool:
    """Compiles the library; whether that was possible."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        return False
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
