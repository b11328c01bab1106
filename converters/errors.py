"""Errors of the converters. Each says what we got, what is allowed, and what to do.

ConverterError          (never raised itself)
|- ArtefactError        exit 2: a written artefact is missing or damaged
|- UnknownTargetError   exit 2: no such format (registry.py)
|- UnknownSocError      exit 2: no such SoC (qualcomm/socs.py)
|- OptionError          exit 2: an option of one format that it does not take (coreml/options.py)
`- ToolchainError       exit 3: a converter or runtime is missing, or failed
   `- NoRuntimeError    the same: nothing here can run such a file; as a verdict, `not_run`
"""

from __future__ import annotations

from functools import partial
from typing import Any


class ConverterError(Exception):
    """Base of this package's errors. `exit_code` is what a command line should return."""

    exit_code = 3

    def __init__(self, *, got: str, allowed: str, do: str) -> None:
        super().__init__(f"got {got}; allowed: {allowed}; {do}")
        self.got = got
        self.allowed = allowed
        self.do = do

    def __reduce__(self) -> tuple[Any, ...]:
        """So that another process can send it: by default only what is positional is sent."""
        return partial(type(self), got=self.got, allowed=self.allowed, do=self.do), ()


class ArtefactError(ConverterError):
    exit_code = 2


class UnknownSocError(ConverterError):
    exit_code = 2


class ToolchainError(ConverterError):
    exit_code = 3


class NoRuntimeError(ToolchainError):
    """Nothing on this machine can run an artefact that was written all the same."""
