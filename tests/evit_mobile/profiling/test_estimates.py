"""Shares of a median, by the weights of what Core ML estimates."""

from __future__ import annotations

import pytest

from evit_mobile.profiling.estimates import EstimatedOperation, estimated_operators


def operation(output: str, weight: float, device: str = "cpu") -> EstimatedOperation:
    return EstimatedOperation(operator="ios18.conv", output=output, device=device, weight=weight)


def test_times_are_shares_of_the_median() -> None:
    found = estimated_operators(
        [operation("stages__0__m__conv2d_3", 3.0, "neuralEngine"), operation("op_0__conv2d", 1.0, "gpu")], 8.0
    )
    assert found["rows"] == [
        {
            "operator": "ios18.conv on neuralEngine",
            "kind": "conv",
            "module": "stages.0.m",
            "delegated": True,
            "ms": 6.0,
        },
        {"operator": "ios18.conv on gpu", "kind": "conv", "module": "0", "delegated": False, "ms": 2.0},
    ]
    assert (found["whole_ms"], found["sum_ms"], found["unattributed_ms"]) == (8.0, 8.0, 0.0)
    assert found["estimated"]


def test_devices_are_counted_the_commonest_first() -> None:
    found = estimated_operators([operation("a", 1.0, "gpu"), operation("b", 1.0), operation("c", 1.0)], 1.0)
    assert found["source"].endswith("; not measured; operations preferred 2 on cpu, 1 on gpu")


@pytest.mark.parametrize("weights", [[], [0.0, 0.0]])
def test_where_nothing_is_estimated_it_says_so(weights: list[float]) -> None:
    found = estimated_operators([operation("a", weight) for weight in weights], 1.0)
    assert found == {"unavailable": "Core ML estimates no operation"}
