"""The "operators" of a record where Core ML only estimates them: each operation's share of the median, and where it is meant to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evit_mobile.profiling.stored import unavailable

SOURCE = "Core ML's estimate of each operation's share of the median; not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedOperation:
    """Its operator such as `ios18.conv`, the name of its first output, the device that Core ML prefers, and its cost."""

    operator: str
    output: str
    device: str
    weight: float


def estimated_operators(operations: Sequence[EstimatedOperation], median_ms: float) -> dict[str, Any]:
    """Rows whose times are shares of the median; `estimated` is true."""
    from converters.coreml.names import module_path

    total = sum(operation.weight for operation in operations)
    if total <= 0:
        return unavailable("Core ML estimates no operation")
    rows = [
        {
            "operator": f"{operation.operator} on {operation.device}",
            "kind": operation.operator.rpartition(".")[2],
            "module": module_path(operation.output),
            "delegated": operation.device == "neuralEngine",
            "ms": median_ms * operation.weight / total,
        }
        for operation in operations
    ]
    devices = Counter(operation.device for operation in operations)
    placed = ", ".join(f"{count} on {device}" for device, count in devices.most_common())
    return {
        "source": f"{SOURCE}; operations preferred {placed}",
        "estimated": True,
        "runs": 0,
        "whole_ms": median_ms,
        "sum_ms": median_ms,
        "share": 1.0,
        "unattributed_ms": 0.0,
        "rounding_ms": 0.0,
        "rows": rows,
    }
