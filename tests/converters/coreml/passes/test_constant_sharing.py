"""Equal constants become one: equal to the bit, and of one type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from converters.coreml import toolchain
from tests.converters.coreml.coreml_programs import Windows, seeded
from tests.converters.coreml.mil_programs import after, emitted, evaluated, operations


def constants(*values: Any, output: int | None = None) -> list[Any]:
    """The constants that are left of `values`, each of which an operation of its own takes; `output` is one that the function gives."""
    mil = toolchain.load("coremltools.converters.mil.mil")
    image = mil.Builder.placeholder(shape=(1, 1), dtype=mil.types.fp32, name="image")
    program = mil.Program()
    with mil.Function({"image": image}) as function:
        made = [mil.Builder.const(val=value, name=f"c{place}") for place, value in enumerate(values)]
        taken = [mil.Builder.identity(x=one, name=f"t{place}") for place, one in enumerate(made)]
        function.set_outputs([*taken, *([] if output is None else [made[output]])])
        program.add_function("main", function)
    after("constant_sharing", program)
    assert [one.x.val.tolist() for one in operations(program) if one.op_type == "identity"] == [
        np.asarray(value).tolist() for value in values
    ]
    return [one.outputs[0].name for one in operations(program) if one.op_type == "const"]


HALF = np.array([1.0, 2.0], np.float16)


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ([HALF, HALF.copy(), HALF.copy()], ["c0"]),
        ([HALF, HALF.astype(np.float32)], ["c0", "c1"]),
        ([HALF, HALF[:, None]], ["c0", "c1"]),
        ([np.array([0.0], np.float32), np.array([-0.0], np.float32)], ["c0", "c1"]),
        ([np.array([1, 0], np.int32), np.array([1, 0], np.int32)], ["c0"]),
        ([np.int32(1), np.float32(1), np.int32(1)], ["c0", "c1"]),
        ([np.bool_(True), np.int32(1)], ["c0", "c1"]),
        ([], []),
    ],
    ids=["equal", "another type", "another shape", "another zero", "integers", "scalars", "a flag", "none"],
)
def test_which_are_one(values: list[Any], left: list[str]) -> None:
    assert constants(*values) == left


def test_the_functions_own_output_stays() -> None:
    assert constants(HALF, HALF.copy(), output=1) == ["c0", "c1"]


def test_a_program_with_fewer_constants_computes_the_same() -> None:
    """Windows slice four times, with the same strides and masks."""
    module = seeded(lambda: Windows(6))
    x = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    program = emitted(module, x)
    before = evaluated(program, x)
    count = len(operations(program))
    np.testing.assert_array_equal(evaluated(after("constant_sharing", program), x), before)
    assert len(operations(program)) < 0.7 * count
