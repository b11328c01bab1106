"""Which module an operation comes from, as its location in the file says."""

from __future__ import annotations

import re
from typing import Any

STACK = re.compile(r'"call_stack": \["([^"]*)"\]')


def module_of(operation: Any) -> str:
    """Path of the module; of an operation that was fused, that of the first; empty where none is known."""
    return next(iter(stacked(operation)), "")


def stacked(operation: Any) -> list[str]:
    """What the locations of all that were fused into an operation name."""
    return STACK.findall(str(operation.location))
