"""What the tables say in words."""

from __future__ import annotations

from typing import Any

import pytest

from evit_mobile.report.lines import recovery_lines


def manifest(top1: float | None) -> dict[str, Any]:
    return {
        "model": {"variation": "relu-attention"},
        "recovery": {
            "original": {"top1": None if top1 is None else 93.0},
            "before": {"agreement": 0.5, "top1": None if top1 is None else 51.0},
            "after": {"agreement": 0.97, "top1": top1},
            "held_out": 256,
        },
    }


def test_an_original_has_no_recovery_to_tell_of() -> None:
    assert recovery_lines({"model": {"variation": None}, "recovery": None}) == []
    assert recovery_lines({"model": {}}) == []


@pytest.mark.parametrize("top1", [None, 92.5])
def test_a_change_of_function_is_told_with_its_figures(top1: float | None) -> None:
    (line,) = recovery_lines(manifest(top1))
    assert "relu-attention is not the original's function" in line.plain
    assert "0.5000 before and 0.9700 after" in line.plain
    assert ("51.00 and 92.50 % (original 93.00 %)" in line.plain) == (top1 is not None)
