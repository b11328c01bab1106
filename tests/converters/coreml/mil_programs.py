"""MIL programs of small functions: as they are emitted, after one pass alone, and what the evaluator gives for them. No file is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from converters.coreml import toolchain
from converters.coreml.evaluator import Evaluator
from converters.interface import Function
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import Lambda, export, plan

X = torch.randn(1, 6, 4, 5, generator=torch.Generator().manual_seed(0))


def emitted(
    module: nn.Module,
    x: Tensor = X,
    *,
    dtype: type[np.floating[Any]] = np.float32,
    islands: frozenset[str] = frozenset(),
    **options: Any,
) -> Any:
    """The MIL program of a module; `options` as `emit` has them."""
    from converters.coreml.emit import emit

    return emit(Function(program=export(module, x), islands=islands), dtype, **{"release": 18, **options})


def emitted_int8(module: nn.Module, x: Tensor = X, **options: Any) -> Any:
    """The MIL program of a module with everything int8 that `plan` takes."""
    from converters.coreml.emit import emit

    program = export(module, x)
    return emit(Function(program=quantize_program(program, plan(program, x))), np.float16, 18, **options)


def evaluated(program: Any, x: Tensor = X) -> np.ndarray:
    """What the evaluator gives for a program as it is."""
    return Evaluator(Path("unwritten"), program.functions["main"])(x.numpy())


def of_function(function: Callable[..., Tensor], *tensors: Tensor) -> tuple[np.ndarray, list[str]]:
    """What a function of X and of constant tensors becomes in float32: its value, and the kinds of its operations but for the casts
    at its ends.
    """
    program = emitted(Lambda(function, *tensors))
    first, *between, last = kinds(program)
    assert first == last == "cast"
    return evaluated(program), between


def kinds(program: Any) -> list[str]:
    """Kinds of the operations in order, without constants."""
    return [operation.op_type for operation in operations(program) if operation.op_type != "const"]


def operations(program: Any) -> list[Any]:
    return list(program.functions["main"].operations)


def after(name: str, program: Any) -> Any:
    """`program`, changed by one of our passes alone."""
    from converters.coreml import passes

    assert f"converters::{name}" in passes.PASSES
    registry = toolchain.load("coremltools.converters.mil.mil.passes.pass_registry").PASS_REGISTRY
    registry[f"converters::{name}"].apply(program)
    return program
