"""Harm is estimated from gradients: held against what quantizing really does, module by module and plan by plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.capabilities import XNNPACK
from converters.contract import QuantPlan
from converters.quantized_program import graph_module, quantize_program
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.automatic import logits_of, protect_to_floor, protect_to_loss
from evit_mobile.quantization.cost import VALUES_PER_MS, modelled_latency_ms
from evit_mobile.quantization.observe import Observations, observe
from evit_mobile.quantization.placement import place
from evit_mobile.quantization.plan import candidates, plan_from
from evit_mobile.quantization.protection import Protection, protection_path
from evit_mobile.quantization.sensitivity import Harm, measure_harms, predicted_sqnr_db, rank_modules
from evit_mobile.quantization.simulate import simulate

DEPTH = 5
BROKEN = "blocks.2"


class Network(nn.Module):
    """Convolutions of which one is harmed far more than the others: one of its input channels is a thousand times larger."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(DEPTH))
        self.head = nn.Linear(8, 6)
        with torch.no_grad():
            self.blocks[1].weight[3] *= 1000.0  # planted: its output, read by blocks.2
            self.blocks[2].weight[:, 3] /= 1000.0

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        for block in self.blocks:
            x = torch.relu(block(x))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def images() -> list[Tensor]:
    return list(torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(2)).split(1))


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    torch.manual_seed(3)
    return export(Network().eval(), (12, 12))


@pytest.fixture(scope="module")
def observations(program: ExportedProgram, images: list[Tensor]) -> Observations:
    return observe(program, candidates(program), lambda start: iter(images[start:]))


@pytest.fixture(scope="module")
def plan(program: ExportedProgram, observations: Observations) -> QuantPlan:
    return plan_from(program, observations)


@pytest.fixture(scope="module")
def harms(program: ExportedProgram, plan: QuantPlan, images: list[Tensor]) -> dict[str, Harm]:
    return measure_harms(program, plan, images)


def measured_db(program: ExportedProgram, plan: QuantPlan, images: list[Tensor]) -> float:
    expected = logits_of(graph_module(program), images)
    return sqnr_db(logits_of(simulate(program, plan), images), expected)


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


def test_protection_gets_better_and_dearer(program: ExportedProgram, harms: dict[str, Harm]) -> None:
    path = list(protection_path(program, harms))
    decibels = [step.predicted_sqnr_db for step in path]
    assert decibels == sorted(decibels)
    assert decibels[-1] > decibels[0] + 20
    assert all(step.added in step.protected for step in path[1:])
    assert path[-1].latency_ms > 2 * path[0].latency_ms  # float multiply-accumulates cost almost four times as much


def test_a_function_that_runs_as_a_table_costs_no_conversion() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Hardswish(), nn.Conv2d(8, 4, 1)).eval()
    module = graph_module(export(model, (12, 12)))
    placement = place(module)
    macs = 12 * 12 * (3 * 8 + 8 * 4)
    ends = 12 * 12 * 4 / VALUES_PER_MS
    assert modelled_latency_ms(module, placement) <= macs / XNNPACK.macs_per_ms[8] + ends
    softmax = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Softmax(1), nn.Conv2d(8, 4, 1)).eval()
    other = graph_module(export(softmax, (12, 12)))
    assert modelled_latency_ms(other, place(other)) >= macs / XNNPACK.macs_per_ms[8] + 2 * 12 * 12 * 8 / VALUES_PER_MS


def test_the_floor_is_reached_by_protecting_what_is_harmed(
    program: ExportedProgram, observations: Observations, images: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evit_mobile.quantization import automatic

    plain = measured_db(program, plan_from(program, observations), images)
    monkeypatch.setattr(automatic, "FLOOR_DB", plain - 1)
    assert protect_to_floor(program, observations, images, print) == Protection()
    monkeypatch.setattr(automatic, "FLOOR_DB", plain + 6)
    protection = protect_to_floor(program, observations, images, print)
    assert 0 < len(protection.modules) < DEPTH + 2
    assert measured_db(program, plan_from(program, observations, protection.protected), images) >= plain + 6


def search(
    program: ExportedProgram, observations: Observations, images: list[Tensor], allowed: float, best: float = 0.0
) -> tuple[Protection, list[tuple[float, Protection]]]:
    """The protection that is chosen, and every trial with its loss: the noise in percent, but at least `best`."""
    trials = []

    def loss(trial: Protection) -> float:
        noise = 100 * 10 ** (-measured_db(program, plan_from(program, observations, trial.protected), images) / 20)
        trials.append((max(noise, best), trial))
        return trials[-1][0]

    return protect_to_loss(program, observations, images, loss, allowed, print), trials


def test_a_limit_that_int8_keeps_protects_nothing(
    program: ExportedProgram, observations: Observations, images: list[Tensor]
) -> None:
    chosen, trials = search(program, observations, images, allowed=99.0)
    assert chosen == Protection()
    assert len(trials) == 1


def test_a_limit_is_kept_by_the_cheapest_trial_that_keeps_it(
    program: ExportedProgram, observations: Observations, images: list[Tensor]
) -> None:
    _, trials = search(program, observations, images, allowed=99.0)
    allowed = trials[0][0] / 3
    chosen, trials = search(program, observations, images, allowed)
    good = [trial for loss, trial in trials if loss <= allowed]
    assert chosen in good
    assert len(chosen.modules) == min(len(trial.modules) for trial in good) > 0


def test_a_limit_that_cannot_be_kept_gives_the_best_trial(
    program: ExportedProgram, observations: Observations, images: list[Tensor]
) -> None:
    chosen, trials = search(program, observations, images, allowed=0.01, best=0.02)
    least = min(loss for loss, _ in trials)
    assert least > 0.01
    assert chosen in [trial for loss, trial in trials if loss == least]
