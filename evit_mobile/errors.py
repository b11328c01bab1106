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


class EvitMobileError(Exception):
    """Base of all errors. `exit_code` is what the command line returns."""

    exit_code = 3

    def __init__(self, *, got: str, allowed: str, do: str) -> None:
        super().__init__(f"got {got}; allowed: {allowed}; {do}")
        self.got = got
        self.allowed = allowed
        self.do = do


class UsageError(EvitMobileError):
    exit_code = 2


class CheckpointError(UsageError):
    pass


class RewriteError(EvitMobileError):
    exit_code = 3


class DeviceError(EvitMobileError):
    exit_code = 3
