"""Bias correction on a planted case: weights that all round the same way, under inputs that are never negative."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import INT8_CHANNELS, QuantPlan
from converters.quantized_program import graph_module, quantize_program
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.automatic import logits_of
from evit_mobile.quantization.corrections.bias import certain, with_corrected_biases
from evit_mobile.quantization.simulate import simulate


@pytest.fixture(scope="module")
def images() -> list[Tensor]:
    return list(torch.rand(8, 3, 10, 10, generator=torch.Generator().manual_seed(0)).split(1))


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    """Weights 0.4 quanta above a code, and one per channel that fixes the scale."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1, bias=False), nn.Flatten()).eval()
    with torch.no_grad():
        weight = model[0].weight
        weight.copy_((torch.randint(-50, 50, weight.shape) + 0.4) / INT8_CHANNELS.most)
        weight[:, 0, 0, 0] = 1.0
    return export(model, (10, 10))


@pytest.fixture(scope="module")
def plan(program: ExportedProgram, images: list[Tensor]) -> QuantPlan:
    """Weights only, so that nothing else adds noise."""
    return replace(make_plan(program, images), activations=())


def mean_shift(program: ExportedProgram, plan: QuantPlan, images: list[Tensor]) -> float:
    """Largest mean error of a channel over images and positions."""
    expected = logits_of(graph_module(program), images).reshape(len(images), 4, -1)
    actual = logits_of(simulate(program, plan), images).reshape(len(images), 4, -1)
    return float(abs((actual - expected).mean((0, 2))).max())


def test_the_mean_of_every_channel_is_restored(program: ExportedProgram, plan: QuantPlan, images: list[Tensor]) -> None:
    corrected = with_corrected_biases(program, plan, images)
    assert mean_shift(program, corrected, images) < mean_shift(program, plan, images) / 5


def test_what_clipping_took_off_earlier_is_put_back(images: list[Tensor]) -> None:
    torch.manual_seed(1)
    program = export(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), nn.Flatten()).eval(), (10, 10))
    plan = replace(make_plan(program, images), weights=make_plan(program, images).weights[1:])
    first, *others = [activation for activation in plan.activations if activation.tensor != "x"]
    clipped = replace(plan, activations=(replace(first, scale=first.scale / 4), *others))
    assert mean_shift(program, clipped, images) > 0.02
    assert mean_shift(program, with_corrected_biases(program, clipped, images), images) < 0.002


def test_layers_without_a_bias_are_left_alone(program: ExportedProgram, plan: QuantPlan, images: list[Tensor]) -> None:
    corrected = with_corrected_biases(program, plan, images)
    assert [correction.tensor for correction in corrected.biases] == ["0.bias"]


def test_the_program_is_not_changed_and_the_quantized_one_is(
    program: ExportedProgram, plan: QuantPlan, images: list[Tensor]
) -> None:
    before = program.state_dict["0.bias"].clone()
    corrected = with_corrected_biases(program, plan, images)
    quantized = quantize_program(program, corrected)
    assert torch.equal(program.state_dict["0.bias"], before)
    expected = before + torch.tensor(corrected.biases[0].values)
    assert torch.allclose(quantized.state_dict["0.bias"], expected)
    module = quantized.module(check_guards=False)
    assert abs(logits_of(module, images) - logits_of(simulate(program, corrected), images)).max() < 1e-5


def test_a_shift_that_may_be_chance_is_left_alone() -> None:
    """Three channels over 100 images: noise around zero, the same with a small shift, and a sure shift."""
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
    noise = noise - noise.mean()
    differences = torch.cat([noise + 0.05, noise + 0.2, noise / 100 + 1], 1)
    nothing, part, all_of_it = certain(differences).tolist()
    assert nothing == 0.0
    assert 0.1 < part < 0.2
    assert all_of_it == pytest.approx(1.0, abs=1e-3)
    assert certain(differences[:1]).tolist() == differences[0].tolist()
