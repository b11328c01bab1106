"""Running a compiler of files for one SoC: in a process of its own, which has a time limit and ends with this one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from converters.errors import ToolchainError
from converters.qualcomm.socs import Soc

LIMIT_S = 1800.0
"""The longest that a compiler may take for one file."""
LAST_WORDS = 500
"""Characters of what a compiler printed that an error repeats."""
FAULT = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """A command that makes of the file at `portable` one for `soc`, as `written`. `environment` joins this process's own."""

    command: Sequence[str]
    portable: Path
    written: Path
    soc: Soc
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Raises ToolchainError where the file is not taken, or where LIMIT_S is over."""
        try:
            done = subprocess.run(
                self.command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LIMIT_S,
                env={**os.environ, **self.environment},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise late(self.portable, self.soc) from None
        if done.returncode != 0 or not self.written.exists():
            raise not_taken(self.portable, self.soc, last_words(done.stdout + done.stderr))


def last_words(printed: str) -> str:
    """The end of what a compiler printed: of its errors, where it marks any, else of everything."""
    lines = printed.splitlines()
    faults = [line.strip() for line in lines if FAULT in line]
    return "\n".join(faults or lines).strip()[-LAST_WORDS:]


def not_taken(portable: Path, soc: Soc, words: str) -> ToolchainError:
    """The error for a file that a compiler does not take, with the end of what it said."""
    return ToolchainError(
        got=f"{portable.name}, which Qualcomm's compiler does not take for {soc.name}: {words}",
        allowed="operations that the NPU of this SoC has",
        do="try --int8-full or another SoC, or use the file without --soc",
    )


def late(portable: Path, soc: Soc) -> ToolchainError:
    """The error for a file that a compiler was still at when its time was over."""
    return ToolchainError(
        got=f"{portable.name}, which Qualcomm's compiler had not compiled for {soc.name} after {LIMIT_S:.0f} s",
        allowed="a file that is compiled in that time",
        do="try again while the machine does nothing else, or another SoC, or use the file without --soc",
    )
