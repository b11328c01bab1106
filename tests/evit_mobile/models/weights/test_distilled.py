"""Microsoft's two heads become their average, in the form in which each is kept; without two whole ones nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.models.weights.distilled import merge_distilled_head
from evit_mobile.models.weights.layouts import LAYOUTS, own_layout

MICROSOFT = next(layout for layout in LAYOUTS if layout.origin == "msra")
WIDTH, CLASSES = 6, 4
REST = {"patch_embed.0.c.weight": torch.ones(1)}

State = dict[str, Tensor]


class Head(nn.Module):
    """As Microsoft's BN_Linear names its layers."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.bn, self.l = nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, CLASSES)
        for tensor in (self.bn.weight, self.bn.bias, self.bn.running_mean, *self.l.parameters()):
            tensor.data.copy_(torch.randn(tensor.shape, generator=generator))
        self.bn.running_var.copy_(torch.rand(WIDTH, generator=generator) + 0.1)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Any:
        return self.l(self.bn(x))


HEADS = {"head": Head(0), "head_dist": Head(1)}


def kept(name: str, *, folded: bool) -> State:
    """A head as a file has it."""
    head = HEADS[name]
    if not folded:
        return {f"{name}.{key}": tensor for key, tensor in head.state_dict().items()}
    zero = head(torch.zeros(1, WIDTH))
    return {f"{name}.weight": (head(torch.eye(WIDTH)) - zero).t(), f"{name}.bias": zero[0]}


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_two_heads_are_their_average(first: bool, second: bool) -> None:
    state = {**REST, **kept("head", folded=first), **kept("head_dist", folded=second)}
    merged, (note,) = merge_distilled_head(MICROSOFT, state)
    assert list(merged) == ["patch_embed.0.c.weight", "head.weight", "head.bias"]
    assert "averaged 'head' and 'head_dist'" in note
    x = torch.randn(5, WIDTH)
    expected = (HEADS["head"](x) + HEADS["head_dist"](x)) / 2
    assert torch.allclose(x @ merged["head.weight"].float().t() + merged["head.bias"].float(), expected, atol=1e-5)


BOTH = {**REST, **kept("head", folded=False), **kept("head_dist", folded=False)}


@pytest.mark.parametrize(
    "state",
    [
        {**REST, **kept("head", folded=False)},
        {key: tensor for key, tensor in BOTH.items() if key != "head_dist.l.bias"},
        {**BOTH, "head_dist.l.weight": torch.zeros(CLASSES + 1, WIDTH), "head_dist.l.bias": torch.zeros(CLASSES + 1)},
        {**BOTH, "head.bn.running_mean": torch.zeros(WIDTH + 1)},
        {**BOTH, "head.l.bias": torch.zeros(CLASSES + 1)},
    ],
)
def test_without_two_whole_heads_nothing_changes(state: State) -> None:
    assert merge_distilled_head(MICROSOFT, state) == (state, ())


def test_no_other_origin_has_two() -> None:
    assert merge_distilled_head(own_layout("msra"), BOTH) == (BOTH, ())
