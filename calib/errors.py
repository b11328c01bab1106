"""Errors of this package. Each says what we got, what is allowed, and what to do.

CalibError      (never raised itself)
`- DataError    exit 2: images, labels, preprocessing fields or observed values cannot be used
"""

from __future__ import annotations

from functools import partial
from typing import Any


class CalibError(Exception):
    """Base of this package's errors. `exit_code` is what a command line should return."""

    exit_code = 2

    def __init__(self, *, got: str, allowed: str, do: str) -> None:
        super().__init__(f"got {got}; allowed: {allowed}; {do}")
        self.got = got
        self.allowed = allowed
        self.do = do

    def __reduce__(self) -> tuple[Any, ...]:
        """So that another process can send it: by default only what is positional is sent."""
        return partial(type(self), got=self.got, allowed=self.allowed, do=self.do), ()


class DataError(CalibError):
    exit_code = 2
