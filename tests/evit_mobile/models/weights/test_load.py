"""A file becomes a reference model, and what was decided on the way is told."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.families.architecture import Architecture
from evit_mobile.models.weights.layouts import own_layout
from evit_mobile.models.weights.load import load_checkpoint, match_headed, recognise, stored_notes, width_notes
from evit_mobile.models.weights.match import match_any
from evit_mobile.models.weights.template import Part
from evit_mobile.spec import MODELS, Task
from tests.evit_mobile.models.states import fresh
from tests.evit_mobile.models.weights.held import CLASSES, State, shapes_of

TIMM = own_layout("msra")
FIRST = "patch_embed.conv1.conv.weight"


@pytest.fixture(scope="module")
def m0() -> State:
    """Names and shapes; where values count it is `small`."""
    return shapes_of("efficientvit_m0")


@pytest.fixture(scope="module")
def small() -> State:
    return fresh("efficientvit_m0", 64)


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def test_a_network_is_recognised_under_a_prefix_and_beside_its_training(m0: State) -> None:
    found = recognise({**prefixed(m0, "module.net."), "criterion.weight": torch.ones(3)}, model="efficientvit_m0")
    assert found.layout is TIMM
    assert found.state == m0
    assert found.notes == (
        "left out 'criterion.weight': of the training, not of the network",
        "removed the prefix 'module.net.' from every key",
    )
    assert (found.grey, found.channels) == (False, 3)


def test_keys_with_and_without_the_prefix_are_two_networks(m0: State) -> None:
    with pytest.raises(CheckpointError, match=r"keys both with and without the prefix 'net\.'"):
        recognise({**prefixed(m0, "net."), "head.bn.weight": torch.ones(1)}, model=None)


def test_images_of_other_channels_are_told(m0: State) -> None:
    grey = recognise({**m0, FIRST: torch.ones(8, 1, 3, 3)}, model=None)
    assert (grey.grey, grey.channels, grey.state[FIRST].shape) == (True, 3, (8, 3, 3, 3))
    assert "takes 1 channel" in grey.notes[0]
    four = recognise({**m0, FIRST: torch.ones(8, 4, 3, 3)}, model=None)
    assert (four.grey, four.channels) == (False, 4)
    assert "takes 4 channels" in four.notes[0]


def test_a_head_that_is_not_there_is_told(m0: State) -> None:
    found = recognise({key: tensor for key, tensor in m0.items() if not key.startswith("head.")}, model=None)
    assert found.match.template.part is Part.EMBEDDING
    assert found.notes == ("no layer for logits in the file: gives the features before it",)


def test_a_linear_layer_beside_the_network_is_its_last(m0: State) -> None:
    trunk = {key: tensor for key, tensor in m0.items() if not key.startswith("head.")}
    state = {**prefixed(trunk, "0."), "1.weight": torch.ones(5, 192), "1.bias": torch.ones(5)}
    found = recognise(state, model=None)
    assert found.state["head.weight"].shape == (5, 192)
    assert found.notes[1].startswith("took '1' for the layer that gives the logits")


def test_what_is_of_no_variant_is_the_matchs_error(m0: State) -> None:
    with pytest.raises(CheckpointError, match=r"efficientvit_m0 and 1 more: 'neck\.weight'"):
        match_headed(TIMM, {**m0, "neck.weight": torch.ones(1)}, None)


def architecture(**changes: object) -> Architecture:
    return replace(MODELS["efficientvit_m0"].architecture, **changes)


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({}, ()),
        ({"widths": (48, 96, 160)}, ("pruned widths, read off the tensors: 48, 96, 160 in place of 64, 128, 192",)),
        ({"hidden": (("a", 1),)}, ("pruned within blocks, read off the tensors: a 1",)),
        (
            {"hidden": tuple((name, 2) for name in "abcde")},
            ("pruned within blocks, read off the tensors: a 2, b 2, c 2 and 2 more",),
        ),
    ],
)
def test_widths_that_are_none_of_the_published_are_told(changes: dict[str, object], notes: tuple[str, ...]) -> None:
    assert width_notes(replace(MODELS["efficientvit_m0"], architecture=architecture(**changes))) == notes


def test_other_eps_are_no_other_widths() -> None:
    spec = MODELS["efficientvit_b0"]
    assert width_notes(replace(spec, architecture=spec.architecture.with_eps({"norm_eps": 1e-3}))) == ()


def test_how_the_file_keeps_its_tensors_is_told(m0: State) -> None:
    assert stored_notes(match_any(TIMM, m0, None), m0) == ()
    state = {key: tensor for key, tensor in m0.items() if not key.startswith("head.")}
    state |= {"head.weight": torch.ones(3, 192).half(), "head.bias": torch.ones(3).bfloat16()}
    assert stored_notes(match_any(TIMM, state, None), state) == (
        "1 norms are folded into their layers in the file",
        "weights are stored as bfloat16, float16; the reference computes in float32",
    )


def test_a_file_is_loaded_as_what_it_is(small: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"model": small, "class_to_idx": {"ant": 0, "bee": 1, "cat": 2}}, path)
    loaded = load_checkpoint(path)
    assert (loaded.spec.name, loaded.spec.size, loaded.spec.num_classes) == ("efficientvit_m0", (64, 64), CLASSES)
    assert (loaded.origin, loaded.source, loaded.keys) == ("timm", str(path), len(small))
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.stated.labels == ("ant", "bee", "cat")
    assert loaded.notes[0].startswith("took 'model' from the checkpoint")
    assert loaded.notes[-1] == "input size 64x64, from the bias tables"
    assert (loaded.recovery, loaded.original) == (None, None)
    assert all(torch.equal(tensor, small[key]) for key, tensor in loaded.module.state_dict().items())


def test_the_size_that_is_asked_for_is_made_or_refused(small: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(small, path)
    loaded = load_checkpoint(path, size=(32, 96), source="hf://a/b")
    assert (loaded.spec.size, loaded.source) == ((32, 96), "hf://a/b")
    with torch.no_grad():
        assert loaded.module(torch.zeros(1, 3, 32, 96)).shape == (1, CLASSES)
    with pytest.raises(UsageError, match="input size 100x100"):
        load_checkpoint(path, size=(100, 100))


def test_a_file_without_a_head_gives_features(small: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({key: tensor for key, tensor in small.items() if not key.startswith("head.")}, path)
    loaded = load_checkpoint(path)
    assert (loaded.spec.task, loaded.spec.num_classes) == (Task.FEATURES, 192)
    assert not any(isinstance(module, nn.Linear) for module in loaded.module.modules())
