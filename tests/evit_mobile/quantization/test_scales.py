"""Scales of a plan are numbers that every format has, and no bias is more steps of them than an accumulator takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import BiasCorrection, Precision, QuantPlan
from converters.quantized_program import graph_module
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.automatic import logits_of
from evit_mobile.quantization.scales import (
    HALF_TOLERANCE,
    LEAST_FACTOR,
    MOST_STEPS,
    half_scale,
    half_scales,
    weight_scales,
    with_room_for_biases,
)
from evit_mobile.quantization.simulate import reader_of, simulate


@given(st.floats(6.2e-5, 6e4))
def test_a_usual_scale_is_the_next_fp16_number(scale: float) -> None:
    half = half_scale(scale)
    assert float(np.float16(half)) == half
    assert scale <= half <= scale * (1 + 2**-10)


@pytest.mark.parametrize("scale", [1e-8, 1e-12, 1e5, 65504.5])
def test_a_scale_that_fp16_has_not_nearly_stays(scale: float) -> None:
    assert half_scale(scale) == scale


def test_scales_at_once_are_those_of_one_by_one() -> None:
    random = np.random.default_rng(0)
    scales = np.concatenate([10 ** random.uniform(-12, 6, 500), [0.0, 6e-8, 65504.0, 65504.5, 65519.9, 65520.0, 1e30]])
    assert half_scales(scales).tolist() == [half_scale(scale) for scale in scales.tolist()]
    near = (scales > 6.2e-5) & (scales <= 65504)
    assert np.array_equal(half_scales(scales)[near].astype(np.float16), half_scales(scales)[near])


@given(st.floats(1e-12, 1e6))
def test_no_scale_changes_by_more_than_the_tolerance_or_clips(scale: float) -> None:
    assert scale <= half_scale(scale) <= scale * (1 + HALF_TOLERANCE)


def test_weight_scales_cover_the_largest_weight() -> None:
    weight = torch.tensor([[0.3, -0.7], [1e-7, 0.0], [0.0, 0.0]])
    scales = weight_scales(weight)
    assert 0.7 / 127 <= scales[0] == float(np.float16(scales[0]))
    assert scales[1] == pytest.approx(1e-7 / 127)
    assert scales[2] == 1


DEAD = 3
"""The output channel whose weights are next to nothing."""


@pytest.fixture(scope="module")
def images() -> list[Tensor]:
    return list(torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)).split(1))


@pytest.fixture(scope="module", params=[0.0, 1e-38, 1e-20, 3e-8], ids=str)
def program(request: pytest.FixtureRequest) -> ExportedProgram:
    """Two convolutions and a linear layer, each with one channel of weights this large beside a bias of 1."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.Flatten(), nn.Linear(8 * 36, 5)
    for layer in layers[0], layers[2], layers[4]:
        with torch.no_grad():
            layer.weight[DEAD] = request.param  # type: ignore[operator]
            layer.bias[DEAD] = 1.0  # type: ignore[operator]
    return export(nn.Sequential(*layers).eval(), (8, 8))


def most_steps(program: ExportedProgram, plan: QuantPlan) -> float:
    """The most steps of (input scale x weight scale) that a corrected bias of the plan is."""
    module = graph_module(program)
    nodes = list(module.graph.nodes)
    scales = {one.tensor: one.scale for one in plan.activations}
    corrections = {one.tensor: torch.tensor(one.values) for one in plan.biases}
    found = []
    for weight in plan.weights:
        reader = reader_of(nodes, weight.tensor)
        bias = module.get_parameter(str(reader.args[2].target)).detach() + corrections.get(
            str(reader.args[2].target), 0
        )  # type: ignore[union-attr]
        found.append((bias.double().abs() / (scales[reader.args[0].name] * torch.tensor(weight.scales).double())).max())  # type: ignore[union-attr]
    return float(max(found))


@pytest.mark.parametrize("profile", [Precision.INT8, Precision.INT8_FULL, Precision.A16W8])
def test_a_nearly_dead_channel_has_room_for_its_bias(
    program: ExportedProgram, images: list[Tensor], profile: Precision
) -> None:
    plan = make_plan(program, images, profile=profile)
    assert most_steps(program, plan) <= (MOST_STEPS << 8 if profile is Precision.A16W8 else MOST_STEPS)
    for weight in plan.weights:
        usual = weight_scales(graph_module(program).get_parameter(weight.tensor))
        assert [scale for at, scale in enumerate(weight.scales) if at != DEAD] == [
            scale for at, scale in enumerate(usual) if at != DEAD
        ]
    assert sqnr_db(logits_of(simulate(program, plan), images), logits_of(graph_module(program), images)) > 30


def test_what_a_correction_adds_to_a_bias_is_counted(program: ExportedProgram, images: list[Tensor]) -> None:
    plan = make_plan(program, images)
    values = tuple(1e6 * (at == DEAD) for at in range(8))
    corrected = replace(plan, biases=(BiasCorrection(tensor="0.bias", module="0", values=values),))
    assert most_steps(program, corrected) > MOST_STEPS
    assert most_steps(program, with_room_for_biases(graph_module(program), corrected)) <= MOST_STEPS


@pytest.mark.parametrize("size", [0.0, 1e-3, 1e-7, 1e-12])
@pytest.mark.parametrize("clamped", [False, True])
def test_steps_of_16_bits_are_not_next_to_nothing_beside_the_result_s(
    size: float, clamped: bool, images: list[Tensor]
) -> None:
    """Without a bias, so that the room for it does not hide what is asked."""
    torch.manual_seed(0)
    last = nn.Conv2d(8, 8, 1, bias=False)
    with torch.no_grad():
        last.weight[DEAD] *= size
    program = export(nn.Sequential(nn.Conv2d(3, 8, 3), last, *[nn.ReLU()] * clamped).eval(), (8, 8))
    plan = make_plan(program, images, profile=Precision.A16W8)
    source, result = plan.activations[-2].scale, plan.activations[-1].scale
    found, usual = (scales[DEAD] for scales in (plan.weights[1].scales, weight_scales(last.weight)))
    assert found * source / result >= LEAST_FACTOR * (1 - 1e-6)  # it is rounded to fp32
    assert (found == usual) == (size in (0.0, 1e-3))
    (eight,) = (one for one in make_plan(program, images).weights if one.tensor == plan.weights[1].tensor)
    assert eight.scales[DEAD] == usual


def test_layers_with_float_inputs_keep_their_scales(program: ExportedProgram, images: list[Tensor]) -> None:
    plan = make_plan(program, images, profile=Precision.INT8_WEIGHTS)
    assert all(
        weight.scales == weight_scales(graph_module(program).get_parameter(weight.tensor)) for weight in plan.weights
    )
