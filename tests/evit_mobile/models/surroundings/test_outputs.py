"""The one tensor in whatever a forward returns; several are refused with their names and shapes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.outputs import OneOutput, only_tensor

T = torch.ones(1, 5)


@dataclass
class Output:
    logits: Tensor
    loss: Tensor | None = None


class Pair(NamedTuple):
    logits: Tensor
    name: str


@pytest.mark.parametrize(
    "output",
    [
        T,
        (T,),
        [T],
        {"logits": T},
        OrderedDict(logits=T),
        Output(logits=T),
        Pair(T, "a"),
        {"logits": T, "epoch": 3, "loss": None},
        ((T, None), []),
        {"out": {"logits": [T]}},
        {"stage0": -T, "stage1": -T, "stage_final": T},
    ],
)
def test_one_tensor_is_found_in_any_structure(output: Any) -> None:
    assert only_tensor(output, "Net") is T


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ((T, T), "a Net that returns tuple with 2 outputs: output 0 (1, 5), output 1 (1, 5)"),
        ({"a": T, "b": T[0]}, "a Net that returns dict with 2 outputs: a (1, 5), b (5,)"),
        (Output(logits=T, loss=T.sum()), "a Net that returns Output with 2 outputs: logits (1, 5), loss ()"),
        ({"a": (T, T)}, "a Net that returns dict with 2 outputs: a.output 0 (1, 5), a.output 1 (1, 5)"),
        ({"stage_final": T, "stage0": T}, "a Net that returns dict with 2 outputs: stage_final (1, 5), stage0 (1, 5)"),
        ("logits", "a Net that returns str"),
        (None, "a Net that returns NoneType"),
        ({}, "a Net that returns dict"),
    ],
)
def test_none_and_several_are_refused(output: Any, words: str) -> None:
    with pytest.raises(CheckpointError) as refusal:
        only_tensor(output, "Net")
    assert refusal.value.got == words


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (x.mul_(2),)


def test_the_image_is_left_as_it_is() -> None:
    x = torch.ones(1, 3, 2, 2)
    assert torch.equal(OneOutput(InPlace())(x), 2 * torch.ones(1, 3, 2, 2))
    assert torch.equal(x, torch.ones(1, 3, 2, 2))
