"""Widths are read off the tensors where a model can have them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models.weights.infer import inferred
from evit_mobile.spec import MODELS
from tests.evit_mobile.models.weights.held import State, shapes_of

SPEC = MODELS["efficientvit_m0"]
PRUNED = MsraArchitecture(widths=(48, 96, 160), depths=(1, 2, 3), heads=(4, 4, 4), kernels=(5, 5, 5, 5), key_dim=8)
WITHIN = replace(PRUNED, hidden=(("patch_embed.conv2", 9), ("stages.1.blocks.0.ffn0.m.pw1", 100)))
KEY = "stages.1.blocks.0.dw0.m.conv.weight"


@pytest.fixture(scope="module")
def pruned() -> State:
    return shapes_of("efficientvit_m0", PRUNED)


def found(state: State) -> object:
    return inferred(SPEC, {name: name for name in state}, state)


def test_published_and_pruned_widths_are_read(pruned: State) -> None:
    assert found(shapes_of("efficientvit_m0")) == SPEC.architecture
    assert found(pruned) == PRUNED


def test_widths_within_blocks_are_read_by_their_paths() -> None:
    assert found(shapes_of("efficientvit_m0", WITHIN)) == WITHIN


def test_keys_have_the_names_of_their_origin(pruned: State) -> None:
    renamed = {f"net.{name}": tensor for name, tensor in pruned.items()}
    assert inferred(SPEC, {name: f"net.{name}" for name in pruned}, renamed) == PRUNED


@pytest.mark.parametrize("shape", [None, (), (98, 1, 3, 3)])
def test_a_width_that_is_absent_or_that_heads_do_not_divide_is_none(
    shape: tuple[int, ...] | None, pruned: State
) -> None:
    state = {name: tensor for name, tensor in pruned.items() if name != KEY}
    assert found(state if shape is None else {**state, KEY: torch.empty(shape, device="meta")}) is None


def test_a_block_without_channels_is_none(pruned: State) -> None:
    name = "stages.1.blocks.0.ffn0.m.pw1.conv.weight"
    assert found({**pruned, name: torch.empty(0, 96, 1, 1, device="meta")}) is None
