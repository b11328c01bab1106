"""int8 packages of small modules, with and without one of our passes, for the tests of these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.coreml import package
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import export, plan, write

X = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))

OPERATORS: set[object] = {
    getattr(torch.ops.aten, name)
    for name in ("conv2d", "linear", "relu", "add", "matmul", "cat", "slice", "pad", "view", "flatten")
}

TAKEN: set[object] = {getattr(packet, overload) for packet in OPERATORS for overload in packet.overloads()}  # type: ignore[attr-defined]  # OpOverloadPackets


def lowered(module: nn.Module, path: Path, without: str | None = None, operators: set[object] | None = None) -> Any:
    """Operations of the int8 package of `module`, written to `path`; `without` one of our passes."""
    from converters.coreml import passes

    program = export(module, X)
    choices = plan(program, X, *([] if operators is None else [operators]))
    with pytest.MonkeyPatch.context() as patch:
        kept = tuple(each for each in passes.PASSES if each != f"converters::{without}")
        assert without is None or len(kept) == len(passes.PASSES) - 1
        patch.setattr(passes, "PASSES", kept)
        write(quantize_program(program, choices), path, Precision.INT8)
    return package.load_function(path).operations


def of_kind(operations: Any, kind: str) -> list[Any]:
    return [operation for operation in operations if operation.op_type == kind]


def codes(operations: Any) -> int:
    return len(of_kind(operations, "quantize"))


def quantized(module: nn.Module) -> tuple[ExportedProgram, float]:
    """`module` with everything int8 that `plan` takes, and the scale of its last int8 tensor."""
    program = export(module, X)
    choices = plan(program, X)
    return quantize_program(program, choices), choices.activations[-1].scale
