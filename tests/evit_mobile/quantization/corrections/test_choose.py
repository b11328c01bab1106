"""Corrections are judged on images of their own: one that helps stays, one that harms does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import QuantPlan
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.corrections import choose


@pytest.fixture(scope="module")
def images() -> list[Tensor]:
    return list(torch.rand(9, 3, 10, 10, generator=torch.Generator().manual_seed(0)).split(1))


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    torch.manual_seed(1)
    return export(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), nn.Flatten()).eval(), (10, 10))


@pytest.fixture(scope="module")
def clipped(program: ExportedProgram, images: list[Tensor]) -> QuantPlan:
    """The first layer's result loses the upper part of its range, so that a correction helps."""
    plan = make_plan(program, images)
    first, *others = [activation for activation in plan.activations if activation.tensor != "x"]
    return replace(plan, activations=(replace(first, scale=first.scale / 4), *others))


def test_a_correction_that_helps_stays(program: ExportedProgram, clipped: QuantPlan, images: list[Tensor]) -> None:
    plan = choose.with_helpful_corrections(program, clipped, images, pytest.fail)
    assert [correction.tensor for correction in plan.biases] == ["0.bias", "1.bias"]


def test_a_correction_that_harms_is_dropped_and_told(
    program: ExportedProgram, clipped: QuantPlan, images: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: every correction has the wrong sign."""
    biases = choose.CORRECTIONS[0]

    def wrong(*arguments: Any) -> QuantPlan:
        plan = biases.correct(*arguments)
        return replace(
            plan, biases=tuple(replace(bias, values=tuple(-value for value in bias.values)) for bias in plan.biases)
        )

    monkeypatch.setattr(choose, "CORRECTIONS", (replace(biases, correct=wrong),))
    told: list[str] = []
    assert choose.with_helpful_corrections(program, clipped, images, told.append) == clipped
    assert "biases stay as they are" in told[0]


def test_no_image_both_corrects_and_judges(
    program: ExportedProgram, clipped: QuantPlan, images: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected: list[Tensor] = []
    judging: list[Tensor] = []
    original = choose.logits_of

    def correct(_program: ExportedProgram, plan: QuantPlan, seen: list[Tensor]) -> QuantPlan:
        corrected.extend(seen)
        return plan

    def judge(module: nn.Module, seen: list[Tensor]) -> Any:
        judging.extend(seen)
        return original(module, seen)

    monkeypatch.setattr(choose, "CORRECTIONS", (replace(choose.CORRECTIONS[0], correct=correct),))
    monkeypatch.setattr(choose, "logits_of", judge)
    choose.with_helpful_corrections(program, clipped, images, lambda _: None)
    assert len(corrected) == 6
    assert not {id(image) for image in corrected} & {id(image) for image in judging}


def test_what_is_required_stays_whatever_it_costs(
    program: ExportedProgram, clipped: QuantPlan, images: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    coarse = replace(
        clipped, weights=tuple(replace(one, scales=tuple(8 * s for s in one.scales)) for one in clipped.weights)
    )
    for required in (True, False):
        row = choose.Correction(name="weights", correct=lambda *_: coarse, required=required)
        monkeypatch.setattr(choose, "CORRECTIONS", (row,))
        told: list[str] = []
        kept = choose.with_helpful_corrections(program, clipped, images, told.append)
        assert kept == (coarse if required else clipped)
        assert bool(told) is not required


def test_a_single_image_corrects_nothing(program: ExportedProgram, clipped: QuantPlan, images: list[Tensor]) -> None:
    assert choose.with_helpful_corrections(program, clipped, images[:1], pytest.fail) == clipped
