"""A protection is chosen by measuring: the cheapest that keeps a floor, or a limit of loss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from evit_mobile.metrics import SILENT_DB
from evit_mobile.quantization.automatic import logits_of, protect_to_floor, protect_to_loss
from evit_mobile.quantization.observe import Observations
from evit_mobile.quantization.plan import plan_from
from evit_mobile.quantization.protection import Protection
from tests.evit_mobile.quantization.harmed import DEPTH, measured_db


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


def test_a_floor_that_nothing_reaches_is_reported_as_measured(
    program: ExportedProgram, observations: Observations, images: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told is of the plan that is chosen, not of the last that was worth measuring: all float, which is exact."""
    from evit_mobile.quantization import automatic

    monkeypatch.setattr(automatic, "FLOOR_DB", SILENT_DB + 100)
    lines: list[str] = []
    protection = protect_to_floor(program, observations, images[:8], lines.append, ranked=False)
    assert lines[-1] == f"{len(protection.modules)} modules stay float: {SILENT_DB:.1f} dB"


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


def test_logits_of_a_program_for_one_image() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    batch = torch.randn(7, 3, 2, 2)
    found = logits_of(module, batch.split(1))
    assert found.shape == (7, 5)
    torch.testing.assert_close(torch.from_numpy(found), module(batch).detach())
