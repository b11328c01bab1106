"""Processes that compute in place of this one, and how they end.

What such a process was sent and never read is dropped here: left to the collector it is an error on stderr from Python 3.13 on.
"""

from __future__ import annotations

import contextlib
import subprocess


def end(process: subprocess.Popen[bytes]) -> int:
    """Ends the process, if it has not yet, closes its pipes and gives its exit code.

    Processes that it has started are neither ended nor waited for, though they hold its pipes open.
    """
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    return process.wait()


def ended(process: subprocess.Popen[bytes]) -> int:
    """Waits until the process has ended by itself, closes its pipes and gives its exit code."""
    process.communicate()
    return process.returncode
