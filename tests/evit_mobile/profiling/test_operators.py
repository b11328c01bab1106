"""From a raw profile to a table, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters.tflite import operator_names
from evit_mobile.profiling.operators import faster_half, operator_table
from evit_mobile.profiling.records import Subject

ITEM = Subject(path=Path("a.tflite"), format="tflite", precision=None, model=None, macs=None)


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ITEM` is a file of three operators."""
    contents = (["CONV_2D", "PAD", "SOFTMAX"], ["stem", "stem", "head"])
    monkeypatch.setattr(operator_names, "operator_names", lambda _path: contents)


def raw(resolution_us: float = 1.0) -> dict[str, Any]:
    """The second and the third of four runs are the faster half, and the second and the last of those without a profiler."""
    return {
        "whole_us": [30.0, 10.0, 20.0, 40.0],
        "unprofiled_us": [12.0, 8.0, 20.0, 10.0],
        "resolution_us": resolution_us,
        "operators": [
            {"name": "Convolution (NHWC, F32) IGEMM", "delegated": True, "us": [9.0, 4.0, 6.0, 9.0]},
            {"name": "Transfer", "delegated": False, "us": [9.0, 0.5, 1.5, 9.0]},
            {"name": "Softmax (NC, F32)", "delegated": True, "us": [9.0, 1.0, 1.0, 9.0]},
        ],
    }


@pytest.mark.usefixtures("file")
def test_a_table_is_of_the_faster_half_of_the_runs() -> None:
    found = operator_table(ITEM, raw())
    assert [(row["kind"], row["module"], row["delegated"], row["ms"]) for row in found["rows"]] == [
        ("CONV_2D", "stem", True, 0.005),
        (None, None, False, 0.001),
        ("SOFTMAX", "head", True, 0.001),
    ]
    assert (found["runs"], found["whole_ms"], found["profiled_ms"]) == (2, 0.009, 0.015)
    assert (found["sum_ms"], found["unattributed_ms"]) == (pytest.approx(0.007), pytest.approx(0.002))
    assert found["share"] == pytest.approx(7 / 9)


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(("resolution_us", "rounding_ms"), [(1.0, 0.003), (0.001, 3e-6)])
def test_what_rounding_hides_is_told(resolution_us: float, rounding_ms: float) -> None:
    found = operator_table(ITEM, raw(resolution_us))
    assert found["rounding_ms"] == pytest.approx(rounding_ms)
    assert ("in whole microseconds" in found["source"]) == (resolution_us == 1)


@pytest.mark.parametrize(
    ("times", "mean", "kept"),
    [([5.0], 5.0, [0]), ([3.0, 1.0, 2.0], 1.0, [1]), ([2.0, 2.0, 2.0, 9.0], 2.0, [0, 1])],
    ids=["one", "odd", "equal"],
)
def test_the_faster_half(times: list[float], mean: float, kept: list[int]) -> None:
    found = faster_half(times)
    assert (found[0], list(found[1])) == (mean, kept)
