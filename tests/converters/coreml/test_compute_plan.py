"""What is read of Core ML's compute plan, from a stand-in of coremltools as its documentation of MLComputePlan has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from converters.coreml import compute_plan

COREMLTOOLS = """
class ComputeUnit:
    ALL = "all"
"""

MODELS = """
class MLModel:
    def __init__(self, path): self.path = path
    def get_compiled_model_path(self): return self.path + "/compiled"
"""

PLAN = """
import os
from types import SimpleNamespace as Of
class MLCPUComputeDevice: pass
class MLGPUComputeDevice: pass
class MLNeuralEngineComputeDevice: pass
class MLOtherComputeDevice: pass
def operation(kind, device, weight, *outputs):
    return Of(operator_name=kind, outputs=[Of(name=name) for name in outputs], device=device, weight=weight)
BLOCK = Of(operations=[
    operation("ios18.const", None, None, "c"),
    operation("ios18.conv", MLNeuralEngineComputeDevice(), 0.5, "conv_1", "second"),
    operation("ios18.softmax", MLGPUComputeDevice(), 0.25, "softmax"),
    operation("ios18.cast", MLCPUComputeDevice(), 0.125),
    operation("ios18.linear", MLOtherComputeDevice(), 0.125, "linear"),
    operation("without cost", MLCPUComputeDevice(), None, "x"),
])
class MLComputePlan:
    @classmethod
    def load_from_path(cls, path, compute_units):
        os.write(1, b"native code speaks\\n")
        assert (path, compute_units) == ("p.mlpackage/compiled", "all"), path
        plan = cls()
        plan.model_structure = Of(program=Of(functions={"main": Of(block=BLOCK)}))
        return plan
    def get_estimated_cost_for_mlprogram_operation(self, operation):
        return None if operation.weight is None else Of(weight=operation.weight)
    def get_compute_device_usage_for_mlprogram_operation(self, operation):
        return None if operation.device is None else Of(preferred_compute_device=operation.device)
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> dict[str, str]:
    """An environment whose coremltools is the stand-in."""
    folder = tmp_path / "coremltools"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text(COREMLTOOLS)
    (folder / "models" / "__init__.py").write_text(MODELS)
    (folder / "models" / "compute_plan.py").write_text(PLAN)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def run(artefact: str, environment: dict[str, str]) -> tuple[Any, str]:
    """What the program prints, as JSON, and what it says beside that."""
    command = [sys.executable, "-P", compute_plan.__file__, artefact]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


def test_operations_with_a_cost_come_in_order_with_their_devices(stand_in: dict[str, str]) -> None:
    printed, said = run("p.mlpackage", stand_in)
    assert printed == {
        "operations": [
            {"operator": "ios18.conv", "output": "conv_1", "device": "neuralEngine", "weight": 0.5},
            {"operator": "ios18.softmax", "output": "softmax", "device": "gpu", "weight": 0.25},
            {"operator": "ios18.cast", "output": "", "device": "cpu", "weight": 0.125},
            {"operator": "ios18.linear", "output": "linear", "device": "unknown", "weight": 0.125},
        ]
    }
    assert "native code speaks" in said


def test_an_error_is_printed_as_one(stand_in: dict[str, str]) -> None:
    assert run("other.mlpackage", stand_in)[0] == {"error": "AssertionError: other.mlpackage/compiled"}
