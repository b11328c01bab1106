"""Convolutions of one input are one of all their weights, where they take it in the same way."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from converters.coreml.evaluator.half_sums import conv as conv_in_halves
from converters.coreml.evaluator.joined_convolutions import with_joined_convolutions
from converters.coreml.evaluator.operators import conv
from converters.coreml.evaluator.step import Step, one, rounded

WAY = {"strides": [1, 1], "pad_type": "custom", "pad": [0, 0, 0, 0], "dilations": [1, 1], "groups": 1}
X = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))


def step(
    result: str, channels: int, *, operand: str = "x", finish: Any = rounded, kernel: Any = conv, **other: Any
) -> Step:
    drawn = torch.Generator().manual_seed(channels)
    words = {
        **WAY,
        "weight": torch.randn(channels, 4, 1, 1, generator=drawn),
        "bias": torch.randn(channels, generator=drawn),
    }
    return Step(
        operation="conv",
        name=result,
        kernel=partial(kernel, **{**words, **other}),
        operands={"x": operand},
        lists={},
        results=(result,),
        finish=finish,
    )


def test_each_gets_its_channels() -> None:
    steps = [step("q", 3), step("other", 3, operand="q", weight=torch.ones(3, 3, 1, 1)), step("k", 2), step("v", 6)]
    joined = list(with_joined_convolutions(steps))
    assert [each.results for each in joined] == [("q", "k", "v"), ("other",)]
    expected, actual = {"x": X.clone()}, {"x": X.clone()}
    for each in steps:
        each.run(expected)
    for each in joined:
        each.run(actual)
    assert all(torch.allclose(actual[name], expected[name], atol=1e-2) for name in ("q", "k", "v", "other"))
    assert all(torch.equal(actual[name], actual[name].half().float()) for name in ("q", "k", "v"))


@pytest.mark.parametrize(
    "other",
    [
        {"operand": "y"},
        {"strides": [2, 2]},
        {"pad": [1, 1, 1, 1], "weight": torch.ones(2, 4, 3, 3)},
        {"groups": 2, "weight": torch.ones(2, 2, 1, 1)},
        {"finish": one},
        {"kernel": conv_in_halves},
        {"bias": None},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_stays_apart(other: dict[str, Any]) -> None:
    words = dict(other)
    apart = step("k", 2, **words)
    if words.get("bias", 0) is None:
        del apart.kernel.keywords["bias"]
    steps = [step("q", 3), apart]
    assert list(with_joined_convolutions(steps)) == steps
