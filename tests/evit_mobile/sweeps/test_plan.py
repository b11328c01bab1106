"""Plans: what cells they are, and what is wrong with them by its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evit_mobile.errors import UsageError
from evit_mobile.sweeps.plan import SweepPlan

PLAN: dict[str, Any] = {
    "models": ["efficientvit_m0", "efficientvit_b0"],
    "sizes": [64, "96x64"],
    "precisions": ["fp32", "fp16", "int8"],
    "formats": ["coreml", "tflite", "executorch"],
    "options": {"golden": 0},
}


def test_a_plan_is_every_combination() -> None:
    requests, left_out = SweepPlan.of(PLAN).requests()
    assert len(requests) == 36
    assert left_out == []
    assert {request.size for request in requests} == {(64, 64), (96, 64)}
    assert all(len(request.formats or ()) == 1 and request.golden == 0 for request in requests)


def test_what_a_format_does_not_have_is_left_out_and_said() -> None:
    requests, left_out = SweepPlan.of({**PLAN, "precisions": ["int8-full", "int8"]}).requests()
    assert len(requests) == 4 * 4
    assert left_out == ["coreml has no int8-full", "executorch has no int8-full"]


def test_judges_are_those_of_the_format() -> None:
    requests, _ = SweepPlan.of({**PLAN, "judges": ["xnnpack", "evaluator"]}).requests()
    assert {(request.formats, request.on) for request in requests} == {
        (("coreml",), ("evaluator",)),
        (("tflite",), ("xnnpack",)),
        (("executorch",), ("xnnpack",)),
    }


@pytest.mark.parametrize(
    ("change", "path", "do"),
    [
        ({"modells": []}, "modells", "models"),
        ({"models": []}, "models", ""),
        ({"models": [3]}, "models[0]", ""),
        ({"models": [{"weigths": "a.pth"}]}, "models[0].weigths", "weights"),
        ({"sizes": [64, "64by64"]}, "sizes[1]", ""),
        ({"precisions": ["int9"]}, "precisions[0]", "int8"),
        ({"formats": ["tflight"]}, "formats[0]", "tflite"),
        ({"judges": ["xnpack"]}, "judges[0]", "xnnpack"),
        ({"options": {"goldn": 1}}, "options[0].goldn", "golden"),
        ({"options": {"size": [64, 64]}}, "options[0].size", ""),
        ({"evaluate": {"images": "a", "limt": 1}}, "evaluate.limt", "limit"),
        ({"evaluate": {}}, "evaluate.images", ""),
    ],
)
def test_what_is_wrong_is_named_by_its_path(change: dict[str, Any], path: str, do: str) -> None:
    with pytest.raises(UsageError) as raised:
        SweepPlan.of({**PLAN, **change})
    assert f"as {path} of" in raised.value.got
    assert do in raised.value.do


def test_no_cell_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="no cell"):
        SweepPlan.of({**PLAN, "formats": ["coreml"], "precisions": ["int8-full"]}).requests()


@pytest.mark.parametrize(
    "text", ["models: [a", "- a", "models: [efficientvit_m0]\nmodels: [b]", "options: {seed: 1, seed: 2}"]
)
def test_a_file_that_is_no_plan(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"plan\.yaml"):
        SweepPlan.of(path)
