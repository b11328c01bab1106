"""A hard swish that ends an operation gives the bits of its two operations, and only where nothing else takes what is between."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from converters.coreml.evaluator.hard_swish import with_hard_swish
from converters.coreml.evaluator.operators import OPERATORS
from converters.coreml.evaluator.step import Step, rounded

HALVES = torch.from_numpy(np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)).view(256, 256)


def step(operation: str, result: str, operands: dict[str, str], **constants: Any) -> Step:
    return Step(
        operation=operation,
        name=result,
        kernel=partial(OPERATORS[operation], **constants),
        operands=operands,
        lists={},
        results=(result,),
        finish=rounded,
    )


def half(value: float) -> float:
    """As an fp16 program holds it."""
    return torch.tensor(value).half().item()


START = step("sub", "x", {"x": "image"}, y=torch.tensor(0.0))
GATE = step("sigmoid_hard", "gate", {"x": "x"}, alpha=half(1 / 6), beta=0.5)
PRODUCT = step("mul", "y", {"x": "x", "y": "gate"})


def run(steps: list[Step], image: Tensor) -> dict[str, Tensor]:
    values = {"image": image}
    for each in steps:
        each.run(values)
    return values


@pytest.mark.parametrize(("alpha", "beta"), [(1 / 6, 0.5), (0.2, 0.4), (-3.0, 1.25)])
def test_every_half_gives_the_same_bits(alpha: float, beta: float) -> None:
    gate = step("sigmoid_hard", "gate", {"x": "x"}, alpha=half(alpha), beta=half(beta))
    steps = [START, gate, PRODUCT]
    joined = list(with_hard_swish(steps, ("y",)))
    assert [each.results for each in joined] == [("y",)]
    expected, actual = run(steps, HALVES)["y"], run(joined, HALVES)["y"]
    assert bool(((actual.view(torch.int32) == expected.view(torch.int32)) | (actual.isnan() & expected.isnan())).all())


@pytest.mark.parametrize("rounds", [1 + 2**-12, 1 - 2**-13])
def test_what_is_not_a_half_is_rounded_first(rounds: float) -> None:
    steps = [START, GATE, PRODUCT]
    image = HALVES.nan_to_num() * rounds
    expected, actual = run(steps, image)["y"], run(list(with_hard_swish(steps, ("y",))), image)["y"]
    np.testing.assert_array_equal(actual.numpy(), expected.numpy())


@pytest.mark.parametrize(
    ("steps", "outputs"),
    [
        pytest.param([GATE, PRODUCT], ("x", "y"), id="x is given"),
        pytest.param([GATE, PRODUCT], ("gate", "y"), id="the gate is given"),
        pytest.param([GATE, PRODUCT, step("tanh", "z", {"x": "x"})], ("y", "z"), id="x is taken"),
        pytest.param([GATE, PRODUCT, step("tanh", "z", {"x": "gate"})], ("y", "z"), id="the gate is taken"),
        pytest.param([GATE, step("mul", "y", {"x": "image", "y": "gate"})], ("y",), id="another factor"),
    ],
)
def test_what_stays_apart(steps: list[Step], outputs: tuple[str, ...]) -> None:
    program = [START, *steps]
    assert list(with_hard_swish(program, outputs)) == program
