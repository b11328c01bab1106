"""Where Core ML means to run each operation of a .mlpackage, and its share of the estimated cost; on macOS 14.4 and later.

    python compute_plan.py ARTEFACT

Stand-alone: imports nothing of ours, and prints one JSON object. Written to coremltools' documentation of MLComputePlan; never run by us.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

DEVICES = {
    "MLCPUComputeDevice": "cpu",
    "MLGPUComputeDevice": "gpu",
    "MLNeuralEngineComputeDevice": "neuralEngine",
}


def operations(artefact: str) -> list[dict[str, Any]]:
    """Operator, name of its first output, preferred device and cost of each operation that has a cost, in order."""
    import coremltools as ct  # type: ignore[import-untyped]  # not typed
    from coremltools.models.compute_plan import MLComputePlan  # type: ignore[import-untyped]  # not typed

    compiled = ct.models.MLModel(artefact).get_compiled_model_path()
    plan = MLComputePlan.load_from_path(path=compiled, compute_units=ct.ComputeUnit.ALL)
    found = []
    for function in plan.model_structure.program.functions.values():
        for operation in function.block.operations:
            cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
            usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
            if cost is None or usage is None:
                continue
            device = type(usage.preferred_compute_device).__name__
            found.append(
                {
                    "operator": operation.operator_name,
                    "output": operation.outputs[0].name if operation.outputs else "",
                    "device": DEVICES.get(device, "unknown"),
                    "weight": cost.weight,
                }
            )
    return found


def main(artefact: str) -> None:
    """Prints the operations on stdout, or an error; whatever native code prints goes to stderr."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        try:
            result: dict[str, Any] = {"operations": operations(artefact)}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
