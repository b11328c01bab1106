"""Keeps executorch's noise away from the user, and nothing else.

What is silenced, each by its own source and text:
- torchao, which executorch imports: CUDA extensions that do not load on a machine without CUDA, and an enum registration;
- executorch's `logging.basicConfig` on import, which would switch on logging for the whole application;
- a pytree deprecation that executorch's copies trigger inside the standard library;
- native lines about reading ARM CPU files on other machines.
Everything else that the native code prints is passed on.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

KNOWN_LOG_LINES = {
    "torchao": re.compile(r"Failed to load .*_C\w*\..*so"),
    "torch.utils._pytree": re.compile(r"%s is an Enum subclass"),
}
KNOWN_NATIVE_LINES = re.compile(r"\[(cpuinfo_utils\.cpp|threadpool\.cpp):\d+\]")


@contextmanager
def quiet_toolchain() -> Iterator[None]:
    """Silences the known lines while executorch is imported or runs ahead of time; leaves the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    filters = [(logging.getLogger(name), _Without(pattern)) for name, pattern in KNOWN_LOG_LINES.items()]
    for logger, known in filters:
        logger.addFilter(known)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning)
            yield
    finally:
        for logger, known in filters:
            logger.removeFilter(known)
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def quiet_partitioner(level: int = logging.INFO) -> Iterator[None]:
    """Keeps executorch's partitioners from listing what they found, which a delegation report says better: everything up to `level`."""
    root = logging.getLogger()
    before, disabled = root.level, logging.root.manager.disable
    logging.disable(level)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.setLevel(before)


class _Without(logging.Filter):
    def __init__(self, pattern: re.Pattern[str]) -> None:
        super().__init__()
        self._pattern = pattern

    def filter(self, record: logging.LogRecord) -> bool:
        return not self._pattern.match(str(record.msg))


@dataclass
class NativeLog:
    """What native code printed, without the known noise."""

    lines: tuple[str, ...] = ()


@contextmanager
def captured_native_log() -> Iterator[NativeLog]:
    """Collects what native code writes to standard error, without the known noise.

    For short calls only: Python's own standard error of all threads goes the same way meanwhile.
    """
    log = NativeLog()
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield log
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            lines = sink.read().decode(errors="replace").splitlines()
            log.lines = tuple(line for line in lines if not KNOWN_NATIVE_LINES.match(line))
