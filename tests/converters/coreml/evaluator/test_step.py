"""A step adds its results, drops what was taken last and names the operation that fails."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from converters.coreml.evaluator.operators import OPERATORS
from converters.coreml.evaluator.step import Step, one, releasing, rounded
from converters.errors import ToolchainError


def step(
    operation: str, *results: str, finish: Any = rounded, lists: dict[str, list[str]] | None = None, **operands: str
) -> Step:
    return Step(
        operation=operation,
        name="stages__0__act__it_1",
        kernel=partial(OPERATORS[operation]),
        operands=operands,
        lists=lists or {},
        results=results,
        finish=finish,
    )


def test_results_are_rounded_and_last_values_dropped() -> None:
    steps = [step("add", "b", x="a", y="a"), step("mul", "c", x="a", y="b"), step("sub", "d", x="c", y="b")]
    values = {"a": torch.tensor([0.1])}
    for each in releasing(steps, kept={"d", "b"}):
        each.run(values)
    assert sorted(values) == ["b", "d"]
    assert values["b"].item() == torch.tensor(0.2).half().item()


def test_lists_and_several_results() -> None:
    both = step("concat", "both", finish=one, lists={"values": ["a", "b"]})
    parts = step("split", "first", "second", finish=tuple, x="both")
    values = {"a": torch.zeros(1), "b": torch.ones(1)}
    both.kernel.keywords["axis"] = 0
    parts.kernel.keywords.update(axis=0, num_splits=2)
    for each in releasing([both, parts], kept=()):
        each.run(values)
    assert {name: value.item() for name, value in values.items()} == {"first": 0, "second": 1}


def test_an_operation_that_fails_is_named() -> None:
    with pytest.raises(ToolchainError, match=r"operation matmul .* in module stages\.0\.act"):
        step("matmul", "c", x="a", y="b").run({"a": torch.zeros(2, 3), "b": torch.zeros(2, 3)})
