"""recover(): what can be varied, what is learned from and what tells when to stop, and what the checkpoint says of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from calib.errors import DataError
from evit_mobile.errors import UsageError
from evit_mobile.findings import Likeness
from evit_mobile.models.msra import EfficientViTMsra
from evit_mobile.recovery import procedure
from evit_mobile.recovery.procedure import (
    WATCHED,
    distil,
    half_precision,
    likeness,
    recover,
    taught,
    varied_spec,
)
from evit_mobile.reference import Reference, load_reference, randomise
from evit_mobile.spec import Variation, find_spec
from tests.evit_mobile.prepare.tiny import SIDE, photos
from tests.evit_mobile.recovery.test_distil import TINY

SIZE = (32, 64)
RELU = Variation.RELU_ATTENTION


@pytest.fixture(scope="module")
def tiny() -> Reference:
    """A model of m0's kind with three blocks, its weights as if they came from a file."""
    torch.manual_seed(0)
    module = EfficientViTMsra(TINY, size=(SIDE, SIDE), num_classes=5)
    randomise(module, (SIDE, SIDE))
    return Reference(
        spec=find_spec("efficientvit_m0", size=(SIDE, SIDE), num_classes=5),
        module=module.requires_grad_(False),
        weights="file",
        source="tiny.pth",
        origin="timm",
        keys=1,
        sha256="ab",
        labels=("a", "b", "c", "d", "e"),
        labels_stated_by="--labels names.txt",
    )


@pytest.fixture(scope="module")
def m0() -> Reference:
    return load_reference("efficientvit_m0", weights="random", size=(SIDE, SIDE))


def test_a_module_with_a_head_of_its_own_is_refused() -> None:
    reference = load_reference("efficientvit_m0", weights="random", size=SIZE)
    reference.module.head = nn.Sequential(nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 10))
    with pytest.raises(UsageError, match="head of its own"):
        varied_spec(reference, Variation.RELU_ATTENTION)


def test_the_spec_of_a_variation_differs_by_it_alone(m0: Reference) -> None:
    assert varied_spec(m0, RELU) == replace(m0.spec, variation=RELU)
    with pytest.raises(UsageError, match=r"--relu-activation for efficientvit_m0; allowed: .*efficientvit_b0"):
        varied_spec(m0, Variation.RELU_ACTIVATION)


def test_what_is_varied_or_pruned_already_is_refused(m0: Reference) -> None:
    varied = replace(m0, spec=replace(m0.spec, variation=RELU))
    with pytest.raises(
        UsageError, match=r"recovered as efficientvit_m0\.relu-attention; allowed: weights of the original"
    ):
        varied_spec(varied, RELU)
    pruned = replace(m0.spec.architecture, widths=(60, 128, 192))
    with pytest.raises(UsageError, match="--relu-attention for a efficientvit_m0 of pruned widths"):
        varied_spec(replace(m0, spec=replace(m0.spec, architecture=pruned)), RELU)


def test_images_are_kept_whole_and_in_order_in_fp16() -> None:
    images = photos(35)  # more than a batch
    found = half_precision(images)
    assert (found.dtype, tuple(found.shape)) == (torch.float16, (35, 3, SIDE, SIDE))
    expected = np.concatenate(list(images.batches(1)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=2**-11, atol=1e-6)


def test_likeness_is_agreement_with_the_original_and_accuracy_by_labels() -> None:
    expected = np.eye(4, dtype=np.float32)
    actual = expected.copy()
    actual[0] = expected[1]
    assert likeness(actual, expected, None) == Likeness(agreement=0.75, top1=None)
    assert likeness(actual, expected, np.array([1, 1, 2, 0])) == Likeness(agreement=0.75, top1=75.0)


def test_one_image_in_so_many_watches_and_half_of_the_steps_are_layer_wise(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[dict[str, Any]] = []

    def learn(_student: nn.Module, phase: Any, images: torch.Tensor, watched: torch.Tensor, **options: Any) -> int:
        learned.append({"phase": phase.name, "images": images, "watched": watched, **options})
        return len(learned)

    monkeypatch.setattr(procedure, "learn", learn)
    images, student = photos(2 * WATCHED + 3), nn.Sequential(nn.Linear(1, 1)).requires_grad_(False)
    done = distil(nn.Sequential(nn.Linear(1, 1)), student, ("0",), images, steps=7, seed=5, report=lambda _: None)
    assert done == (1, 2)
    assert [(one["phase"], one["steps"], one["seed"]) for one in learned] == [
        ("layer-wise", 3, 5),
        ("end to end", 4, 6),
    ]
    for one in learned:
        assert len(one["watched"]) == 2
        assert torch.equal(torch.cat([one["watched"], one["images"]]), half_precision(images))
    assert not any(parameter.requires_grad for parameter in student.parameters())


def test_without_a_step_the_record_says_what_the_change_alone_costs(tiny: Reference) -> None:
    before = copy.deepcopy(tiny.module.state_dict())
    lines: list[str] = []
    student, record = taught(tiny, RELU, photos(16), photos(8, seed=1), steps=0, seed=3, report=lines.append)
    assert record.before == record.after
    assert record.before.top1 is None  # these images have no labels
    assert 0 <= record.before.agreement <= 1
    assert (record.variation, record.weights, record.source, record.sha256) == (RELU, "file", "tiny.pth", "ab")
    assert (record.steps, record.seed, record.held_out, record.labels) == ((0, 0), 3, 8, tiny.labels)
    assert lines[0] == "measuring efficientvit_m0.relu-attention before recovery"
    assert lines[-1] == "measuring efficientvit_m0.relu-attention after recovery"
    assert student.state_dict().keys() != before.keys()
    assert all(torch.equal(value, before[name]) for name, value in tiny.module.state_dict().items())


def test_names_that_were_guessed_are_not_recorded(tiny: Reference) -> None:
    guessed = replace(tiny, labels_stated_by="assumed from folder names")
    _, record = taught(guessed, RELU, photos(16), photos(4, seed=1), steps=0, seed=0, report=lambda _: None)
    assert record.labels == ()


def test_the_checkpoint_is_read_back_with_all_that_is_known_of_the_original(
    m0: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procedure, "IMAGES", 40)
    monkeypatch.setattr(procedure, "HELD_OUT", 8)
    names = tuple(f"class {index}" for index in range(m0.spec.num_classes))
    original = replace(m0, notes=("a note",), labels=names, labels_stated_by="a list")
    found = recover(original, RELU, None, tmp_path, steps=0, report=lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["efficientvit_m0.relu-attention.safetensors"]
    assert (found.spec, found.weights, found.lineage) == (replace(m0.spec, variation=RELU), "file", "random")
    assert (found.notes, found.labels, found.labels_stated_by) == (("a note",), names, "a list")
    assert found.recovery is not None
    assert (found.recovery.held_out, found.recovery.steps) == (8, (0, 0))
    assert len(found.learned) == 40


def test_too_few_images_are_refused(m0: Reference, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="32"):
        recover(m0, RELU, photos(20).dataset, tmp_path, steps=0, report=lambda _: None)
    assert list(tmp_path.iterdir()) == []
