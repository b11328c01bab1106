"""Harm is estimated from gradients: held against what quantizing really does, module by module and plan by plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import Tensor
from torch.export import ExportedProgram

from converters.contract import QuantPlan
from converters.quantized_program import graph_module, quantize_program
from evit_mobile.quantization.automatic import logits_of
from evit_mobile.quantization.sensitivity import Harm, predicted_sqnr_db, rank_modules
from evit_mobile.quantization.simulate import simulate
from tests.evit_mobile.quantization.harmed import measured_db


def test_a_simulated_plan_equals_the_quantized_program(
    program: ExportedProgram, plan: QuantPlan, images: list[Tensor]
) -> None:
    quantized = quantize_program(program, plan).module(check_guards=False)
    actual, expected = logits_of(simulate(program, plan), images), logits_of(quantized, images)
    assert abs(actual - expected).max() <= 1e-5 * abs(expected).max()
    assert abs(expected - logits_of(graph_module(program), images)).max() > 1e-3 * abs(expected).max()


def test_the_harms_add_up_to_what_is_measured(
    program: ExportedProgram, plan: QuantPlan, harms: dict[str, Harm], images: list[Tensor]
) -> None:
    assert predicted_sqnr_db(harms, plan) == pytest.approx(measured_db(program, plan, images), abs=2.0)


def test_each_tensor_alone_does_the_harm_that_is_estimated(
    program: ExportedProgram, plan: QuantPlan, harms: dict[str, Harm], images: list[Tensor]
) -> None:
    nothing = replace(plan, activations=(), weights=())
    alone = [replace(nothing, weights=(weight,)) for weight in plan.weights]
    names = {activation.tensor: activation for activation in plan.activations}
    alone += [replace(nothing, activations=(names[name],)) for name in names if name in harms]
    for single in alone:
        assert predicted_sqnr_db(harms, single) == pytest.approx(measured_db(program, single, images), abs=3.0)


def test_the_planted_module_is_ranked_first(harms: dict[str, Harm]) -> None:
    ranked = rank_modules(harms)
    assert ranked[0].share > 0.5
    assert harms["relu_2"].output > 10 * harms["relu_1"].output
    assert sum(row.share for row in ranked) == pytest.approx(1)
    assert ranked == sorted(ranked, key=lambda row: row.output_sqnr_db)
