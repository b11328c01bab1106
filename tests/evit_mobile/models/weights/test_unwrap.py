"""The one network in whatever a checkpoint holds: by the rule of the program that wrote it, or because there is no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights.unwrap import as_size, networks, unwrap

NET = {"stem.in_conv.conv.weight": torch.ones(1), "stages.0.weight": torch.ones(2)}
OTHER = {"patch_embed.conv1.conv.weight": torch.zeros(1)}


def test_a_bare_state_dict_is_taken_without_a_word() -> None:
    found = unwrap(NET)
    assert (dict(found.state), found.notes) == (NET, ())


@pytest.mark.parametrize(
    ("tree", "note"),
    [
        ({"state_dict": NET, "epoch": 3}, "took 'state_dict' from the checkpoint, the weights"),
        ({"somewhere": [{"net": NET}]}, "took 'somewhere.0.net' from the checkpoint, the only network in it"),
        (
            {"state_dict": OTHER, "state_dict_ema": NET},
            "took 'state_dict_ema' from the checkpoint, the moving average, as timm.models.load_checkpoint does; left 'state_dict'",
        ),
        (
            {"teacher": OTHER, "model": NET, "b": OTHER},
            "took 'model' from the checkpoint, the weights, as Microsoft's main.py --eval does; left 'teacher', 'b'",
        ),
        ({**NET, "epoch": 3, 7: torch.ones(1)}, "left out 'epoch', '7' beside the weights: no tensors"),
    ],
)
def test_what_was_taken_and_what_was_left_is_told(tree: dict[Any, Any], note: str) -> None:
    found = unwrap(tree)
    assert dict(found.state) == NET
    assert found.notes == (note,)


def test_a_network_kept_in_parts_is_one() -> None:
    """As pruning and weight norm leave it."""
    state = {"net.stem.in_conv.conv.weight_orig": torch.ones(1), "net.stem.in_conv.conv.weight_mask": torch.ones(1)}
    assert dict(unwrap({"state_dict": state}).state) == state


@pytest.mark.parametrize("names", [("student", "teacher"), ("a", "b")])
def test_of_several_without_a_rule_none_is_taken(names: tuple[str, str]) -> None:
    with pytest.raises(CheckpointError) as refusal:
        unwrap(dict.fromkeys(names, 0) | {names[0]: dict(NET), names[1]: dict(NET)})
    assert refusal.value.got == f"a checkpoint with 2 networks, under {names[0]!r}, {names[1]!r}"
    assert "state_dict_ema" in refusal.value.allowed


def test_containers_are_looked_into_four_deep_and_once() -> None:
    assert dict(unwrap({"a": {"b": {"c": {"d": NET}}}}).state) == NET
    assert list(networks({"a": {"b": {"c": {"d": {"e": NET}}}}}, (), set())) == []
    tree: dict[str, Any] = {"model": NET}
    tree["self"], tree["again"] = tree, [tree] * 50
    assert [found.name for found in networks(tree, (), set())] == ["model"]


@pytest.mark.parametrize(
    ("tree", "held"),
    [
        ([1, 2], "a file that holds a list"),
        (torch.ones(1), "a file that holds a Tensor"),
        ({}, "a checkpoint with nothing in it"),
        (dict.fromkeys(range(9), 0), "a checkpoint with 0, 1, 2, 3, 4, 5, 6, 7"),
        ({"state_dict": {}, "epoch": 1}, "a checkpoint with 'state_dict', 'epoch'"),
    ],
)
def test_files_without_tensors_are_refused(tree: object, held: str) -> None:
    with pytest.raises(CheckpointError) as refusal:
        unwrap(tree)
    assert refusal.value.got == held


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"epoch": 1, "state_dict": state}])
def test_tensors_of_another_network_are_handed_on_to_be_named(wrap: Callable[[dict[str, Tensor]], Any]) -> None:
    state = {"conv1.weight": torch.ones(1)}
    assert dict(unwrap(wrap(state)).state) == state


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (224, (224, 224)),
        ([192, 256], (192, 256)),
        ((192, 256), (192, 256)),
        ((3, 192, 256), (192, 256)),
        ((192, 256, 3), (192, 256)),
        ((1, 192, 256), (192, 256)),
        ((192, 256, 4), (192, 256)),
        ({"height": 192, "width": 256}, (192, 256)),
        ({"shortest_edge": 224}, (224, 224)),
        (True, None),
        (224.0, None),
        ("224", None),
        ([224], None),
        ([1, 3, 192, 256], None),
        ({"longest_edge": 224}, None),
        (None, None),
    ],
)
def test_forms_of_an_input_size(value: object, size: tuple[int, int] | None) -> None:
    assert as_size(value) == size
