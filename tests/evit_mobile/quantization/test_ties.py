"""Logits of many classes that would tie in 8 bits: found on calibration images, and the last layer stays float."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.quantized_program import graph_module
from evit_mobile.metrics import top1_agreement, top_ties
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.automatic import logits_of, protect_to_floor, protect_to_loss
from evit_mobile.quantization.observe import Observations, observe
from evit_mobile.quantization.plan import candidates, plan_from
from evit_mobile.quantization.simulate import simulate
from evit_mobile.quantization.ties import MOST_TIES, last_layer

SIDE = 8


class Classifier(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 16, 3, padding=1)
        self.head = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.relu(self.body(x)).mean((2, 3)))
        return logits


class Softened(Classifier):
    def forward(self, x: Tensor) -> Tensor:
        return (super().forward(x)[:, 1:] / 3).softmax(1)


class Two(Classifier):
    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits + self.head(x.mean((2, 3)).repeat(1, 6)[:, :16])


@pytest.fixture(scope="module")
def images() -> list[Tensor]:
    return list(torch.split(torch.randn(32, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)), 1))


def prepared(module: nn.Module, images: list[Tensor]) -> tuple[ExportedProgram, Observations]:
    program = export(module.eval(), (SIDE, SIDE))
    return program, observe(program, candidates(program), lambda start: iter(images[start:]))


def test_thousands_of_classes_tie_and_their_layer_stays_float(images: list[Tensor]) -> None:
    torch.manual_seed(0)
    program, observations = prepared(Classifier(20_000), images)
    expected = logits_of(program.module(check_guards=False), images)

    def measured(protected: frozenset[str]) -> tuple[float, float]:
        logits = logits_of(simulate(program, plan_from(program, observations, protected)), images)
        return top_ties(logits), top1_agreement(logits, expected)

    ties, agreement = measured(frozenset())
    assert ties > 4 * MOST_TIES
    assert agreement < 0.9
    protection = protect_to_floor(program, observations, images, print)
    assert protection.modules == ("head",)
    assert protection.latency_ratio > 1
    ties, agreement = measured(protection.protected)
    assert ties == 0
    assert agreement > 0.9
    assert protect_to_floor(program, observations, images, print, ranked=False).modules == ()


def test_a_limit_of_loss_starts_without_ties(images: list[Tensor]) -> None:
    torch.manual_seed(0)
    program, observations = prepared(Classifier(20_000), images)
    tried: list[tuple[str, ...]] = []

    def loss(protection: object) -> float:
        tried.append(getattr(protection, "modules", ()))
        return 0.0

    assert protect_to_loss(program, observations, images, loss, 1.0, print).modules == ("head",)
    assert tried == [("head",)]


def test_few_classes_stay_in_int8(images: list[Tensor]) -> None:
    torch.manual_seed(0)
    program, observations = prepared(Classifier(10), images)
    logits = logits_of(simulate(program, plan_from(program, observations)), images)
    assert top_ties(logits) <= MOST_TIES
    assert protect_to_floor(program, observations, images, print).modules == ()


def test_the_last_layer_is_the_one_that_gives_the_output() -> None:
    assert last_layer(graph_module(export(Classifier(4).eval(), (SIDE, SIDE)))) == "head"
    assert last_layer(graph_module(export(nn.Conv2d(3, 4, 1).eval(), (SIDE, SIDE)))) is None  # no module of its own
    assert last_layer(graph_module(export(Softened(4).eval(), (SIDE, SIDE)))) == "head"
    assert last_layer(graph_module(export(Two(4).eval(), (SIDE, SIDE)))) is None
