"""Quantize and dequantize as one step give the bits of both, and only where nothing else takes the codes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from converters.coreml.evaluator import Evaluator
from converters.coreml.evaluator.fake_quantization import with_fake_quantization
from converters.coreml.evaluator.operators import OPERATORS, SELECTION
from converters.coreml.evaluator.step import Step, one, rounded
from tests.converters.coreml.coreml_programs import FeedForward, seeded
from tests.converters.coreml.mil_programs import X, emitted_int8

HALVES = torch.from_numpy(np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)).view(256, 256)
FINISH = {"quantize": one, "reshape": one}


def number(value: float) -> Tensor:
    """As an fp16 program holds it."""
    return torch.tensor(value).half().float()


def step(operation: str, result: str, operand: str, **constants: Any) -> Step:
    return Step(
        operation=operation,
        name=result,
        kernel=partial(OPERATORS[operation], **constants),
        operands={"input" if "quantize" in operation else "x": operand},
        lists={},
        results=(result,),
        finish=FINISH.get(operation, rounded),
    )


def quantize(zero_point: int = -5, dtype: str = "int8", scale: Any = None) -> Step:
    scale = number(0.0371) if scale is None else scale
    return step("quantize", "codes", "x", scale=scale, zero_point=number(zero_point), output_dtype=dtype)


def dequantize(result: str, scale: float = 0.0371, zero_point: int = -5) -> Step:
    return step("dequantize", result, "codes", scale=number(scale), zero_point=number(zero_point))


START = step("sub", "x", "image", y=number(0))


def run(steps: list[Step]) -> dict[str, Tensor]:
    """All values, of an image that holds every half."""
    values = {"image": HALVES}
    for each in steps:
        each.run(values)
    return values


def same_bits(ours: Tensor, theirs: Tensor) -> bool:
    """Whether all elements are the same, of zeros the sign too, but for those that are not a number in `ours`."""
    return bool(((ours.view(torch.int32) == theirs.view(torch.int32)) | ours.isnan()).all())


@pytest.mark.parametrize("scale", [0.0371, 0.5, 1.0, 6e-8, 700.0])
@pytest.mark.parametrize(("zero_point", "dtype"), [(-5, "int8"), (127, "int8"), (0, "uint8"), (17, "uint8")])
def test_every_half_gives_the_same_bits(zero_point: int, dtype: str, scale: float) -> None:
    steps = [START, quantize(zero_point, dtype), dequantize("y", scale, zero_point), dequantize("z", 1.0, zero_point)]
    joined = list(with_fake_quantization(steps, ("y", "z")))
    assert [each.results for each in joined] == [("x",), ("y", "z")]
    expected, actual = run(steps), run(joined)
    for name in ("y", "z"):
        assert same_bits(actual[name], expected[name])
        assert torch.equal(actual[name].isnan(), HALVES.isnan())


@pytest.mark.parametrize(
    ("steps", "outputs"),
    [
        pytest.param([quantize(), dequantize("y", zero_point=-4)], ("y",), id="another zero point"),
        pytest.param([quantize(), dequantize("y")], ("y", "codes"), id="codes that the program gives"),
        pytest.param(
            [quantize(), dequantize("y"), step("reshape", "z", "codes", shape=[-1])], ("y", "z"), id="moved codes"
        ),
        pytest.param([quantize(scale=torch.full((256, 1), 0.5)), dequantize("y")], ("y",), id="a scale each"),
    ],
)
def test_what_stays_apart(steps: list[Step], outputs: tuple[str, ...]) -> None:
    """Codes that stay are those of numbers: what is none passes on, so that it is found."""
    apart = list(with_fake_quantization([START, *steps], outputs))
    assert [each.results for each in apart] == [each.results for each in (START, *steps)]
    expected, actual = run([START, *steps]), run(apart)
    assert all(same_bits(actual[name], expected[name]) for name in outputs)
    assert all(actual[name].isnan().sum() == HALVES.isnan().sum() for name in outputs)


def test_a_value_that_others_take_is_not_overwritten() -> None:
    steps = [START, quantize(), dequantize("y"), step("tanh", "z", "x")]
    for outputs in (("y", "z"), ("x", "y")):
        taken = steps if "z" in outputs else steps[:-1]
        assert same_bits(run(list(with_fake_quantization(taken, outputs)))["x"], HALVES)


@pytest.mark.parametrize("kind", sorted(SELECTION - {"reduce_max"}))
def test_selected_halves_need_no_rounding(kind: str) -> None:
    constants: dict[str, dict[str, Any]] = {
        "clip": {"alpha": float(number(-0.1)), "beta": float(number(3.3))},
        "maximum": {"y": number(0.1)},
        "minimum": {"y": number(0.1)},
    }
    result = OPERATORS[kind](x=HALVES, **constants.get(kind, {}))
    assert torch.equal(result.half().float().nan_to_num(7), result.nan_to_num(7))


def test_int8_layers_take_no_step_to_dequantize() -> None:
    """A count: each pair of a program is one step for an image."""
    evaluator = Evaluator(Path("unwritten"), emitted_int8(seeded(lambda: FeedForward(6))).functions["main"])
    single = [each.operation for each in evaluator.single]
    assert single.count("dequantize") >= single.count("quantize") > 0
    assert [each.operation for each in evaluator.steps] == [each for each in single if each != "dequantize"]


def test_what_is_not_a_number_gets_code_0_in_a_program() -> None:
    evaluator = Evaluator(Path("unwritten"), emitted_int8(seeded(lambda: FeedForward(6))).functions["main"])
    image = X.clone()
    image[0, 0, 1, 2] = torch.nan
    (left,) = evaluator._left(evaluator.single, image).values()
    images = torch.cat([X, image]).numpy()
    assert np.isfinite(left.numpy()).all()
    for actual in (evaluator(images)[1:], evaluator(images[1:])):
        np.testing.assert_array_equal(actual, left.numpy())
    np.testing.assert_array_equal(evaluator(images)[:1], evaluator(images[:1]))
