"""Errors of this package. Each says what we got, what is allowed, and what to do.

EvitMobileError            (never raised itself)
|- UsageError              exit 2: an argument, a file or a folder is not usable
|  `- CheckpointError      the weights cannot be read or do not fit the model
|- DeviceError             exit 3: a device, or the process that measures on it, is missing or failed
`- RewriteError            exit 3: a rewrite changed the function it promised to keep

A user also meets those of the other two packages, which have the same fields: `calib.errors` (images and labels) and
`converters.errors` (artefacts and toolchains).
"""

from __future__ import annotations

from functools import partial
from typing import Any


class EvitMobileError(Exception):
    """Base of all errors. `exit_code` is what the command line returns."""

    exit_code = 3

    def __init__(self, *, got: str, allowed: str, do: str) -> None:
        super().__init__(f"got {got}; allowed: {allowed}; {do}")
        self.got = got
        self.allowed = allowed
        self.do = do

    def __reduce__(self) -> tuple[Any, ...]:
        """So that another process can send it: by default only what is positional is sent."""
        return partial(type(self), got=self.got, allowed=self.allowed, do=self.do), ()


class UsageError(EvitMobileError):
    exit_code = 2


class CheckpointError(UsageError):
    pass


class RewriteError(EvitMobileError):
    exit_code = 3


class DeviceError(EvitMobileError):
    exit_code = 3
