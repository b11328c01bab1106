"""Distillation improves a planted bad start, never leaves worse weights than it found, stops early, and repeats itself."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models.msra import EfficientViTMsra
from evit_mobile.models.variations import replaced_blocks, vary
from evit_mobile.recovery import distil
from evit_mobile.recovery.distil import Phase, end_to_end, layer_wise, learn, training_batch, watched_loss
from evit_mobile.reference import randomise
from evit_mobile.spec import Variation

TINY = MsraArchitecture(widths=(16, 16, 16), depths=(1, 1, 1), heads=(2, 2, 2), kernels=(3, 3), key_dim=4)
IMAGES = torch.randn(40, 3, 32, 32, generator=torch.Generator().manual_seed(1))
LEARNED, WATCHED = IMAGES[8:], IMAGES[:8]


def silent(_message: str) -> None:
    """Says nothing."""


@pytest.fixture
def pair() -> tuple[nn.Module, nn.Module]:
    """A random teacher and its variation, badly started: its values are halved, its classes' weights disturbed."""
    torch.manual_seed(0)
    teacher = EfficientViTMsra(TINY, size=(32, 32), num_classes=5)
    randomise(teacher, (32, 32))
    teacher.requires_grad_(False)
    student = copy.deepcopy(teacher)
    vary(student, Variation.RELU_ATTENTION)
    for name, parameter in student.named_parameters():
        if "qkvs" in name and name.endswith("bn.weight"):
            parameter.mul_(0.5)
    student.head.linear.weight.add_(0.02 * torch.randn(student.head.linear.weight.shape))
    return teacher, student.requires_grad_(True)


def phase_loss(phase: Phase) -> float:
    return watched_loss(phase.objective, WATCHED)


def test_layer_wise_improves_a_bad_start(pair: tuple[nn.Module, nn.Module]) -> None:
    teacher, student = pair
    fixed = {key: value.clone() for key, value in student.state_dict().items() if ".attn." not in key}
    with layer_wise(teacher, student, replaced_blocks(teacher, Variation.RELU_ATTENTION)) as phase:
        before = phase_loss(phase)
        kept = learn(student, phase, LEARNED, WATCHED, steps=30, seed=0, report=silent)
        assert phase_loss(phase) < 0.7 * before
    assert kept > 0
    assert all(torch.equal(value, student.state_dict()[key]) for key, value in fixed.items())
    assert not teacher.get_submodule("stages.0.blocks.0.mixer.m.attn")._forward_hooks


def test_end_to_end_improves_a_bad_start(pair: tuple[nn.Module, nn.Module]) -> None:
    phase = end_to_end(*pair)
    before = phase_loss(phase)
    statistics = {key: value.clone() for key, value in pair[1].state_dict().items() if "running" in key}
    learn(pair[1], phase, LEARNED, WATCHED, steps=30, seed=0, report=silent)
    assert phase_loss(phase) < 0.8 * before
    assert all(torch.equal(value, pair[1].state_dict()[key]) for key, value in statistics.items())


def test_a_teacher_that_is_matched_gives_no_loss(pair: tuple[nn.Module, nn.Module]) -> None:
    teacher, _ = pair
    with layer_wise(teacher, teacher, replaced_blocks(teacher, Variation.RELU_ATTENTION)) as phase:
        assert phase_loss(phase) == 0
    assert phase_loss(end_to_end(teacher, teacher)) == pytest.approx(0, abs=1e-6)


def test_divergence_stops_early_and_leaves_the_weights_as_they_came(pair: tuple[nn.Module, nn.Module]) -> None:
    teacher, student = pair
    before = copy.deepcopy(student.state_dict())
    phase = end_to_end(teacher, student)
    wild = Phase(name="wild", objective=phase.objective, parameters=phase.parameters, rate=1e3)
    lines: list[str] = []
    kept = learn(student, wild, LEARNED, WATCHED, steps=100, seed=0, report=lines.append)
    assert kept == 0
    assert all(torch.equal(value, student.state_dict()[key]) for key, value in before.items())
    assert len(lines) == distil.PATIENCE + 1
    assert "step 40 of 100" in lines[-2]
    assert "no better since step 0" in lines[-1]


def test_the_best_weights_are_kept_not_the_last() -> None:
    """What is learned moves the weight steadily upwards; what is watched is lowest at 0.05, on the way."""
    student = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(student.weight)

    def objective(images: torch.Tensor) -> torch.Tensor:
        return (student.weight - 0.05).abs().sum() if len(images) == len(WATCHED) else -student.weight.sum()

    phase = Phase(name="valley", objective=objective, parameters=list(student.parameters()), rate=1e-2)
    kept = learn(student, phase, LEARNED, WATCHED, steps=40, seed=0, report=silent)
    assert 0 < kept < 40
    assert float(student.weight.detach()) == pytest.approx(0.05, abs=0.03)


def test_the_same_seed_gives_the_same_weights(pair: tuple[nn.Module, nn.Module]) -> None:
    teacher, student = pair
    students = [copy.deepcopy(student) for _ in range(3)]
    for one, seed in zip(students, (0, 0, 1), strict=True):
        learn(one, end_to_end(teacher, one), LEARNED, WATCHED, steps=3, seed=seed, report=silent)
    weights = [one.head.linear.weight for one in students]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_batches_are_mirrored_and_shifted_copies() -> None:
    image = torch.arange(28.0).expand(1, 3, 28, 28)
    batch = training_batch(image, torch.Generator().manual_seed(0))
    assert batch.shape == (distil.BATCH, 3, 28, 28)
    rising = (batch[:, 0, 14, 20] > batch[:, 0, 14, 8]).float().mean()
    assert 0.2 < rising < 0.8
    assert set(batch.unique().tolist()) <= set(range(28))
