"""What is done to a state dict before it is matched: keys of the training go, and a grey model learns to take RGB."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights.layout import Layout

TRAINING = re.compile(
    r"(?:.*\.)?(?:\w+_)?(?:criterion|loss|losses|loss_fn|metrics?|accuracy|acc|auroc|f1)(?:_\w+)?\..+"
    r"|(?:.*\.)?(?:total_ops|total_params|n_averaged|class_weights?|pos_weight)"
)
"""Keys of what no forward computes with: a weighted loss and metrics in a Lightning module, and the counts that a profiler or
torch.optim.swa_utils.AveragedModel leave.
"""
NAMED = 5

GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in Pillow's grey (ITU-R 601-2 luma)."""

GREY_NOTE = "takes 1 channel, the grey of an image: its first convolution is spread over RGB (0.299, 0.587, 0.114)"


def without_training(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """`state` without the keys of its training, and a remark that names them."""
    left = [key for key in state if TRAINING.fullmatch(key)]
    if not left:
        return dict(state), ()
    named = ", ".join(map(repr, left[:NAMED])) + (", ..." if len(left) > NAMED else "")
    kept = {key: tensor for key, tensor in state.items() if not TRAINING.fullmatch(key)}
    return kept, (f"left out {named}: of the training, not of the network",)


FOURTH_NOTE = "takes 4 channels: red, green, blue and a fourth"


def channels_of(layout: Layout, state: Mapping[str, Tensor]) -> int:
    """Channels of the images that `state` is for: 4, or 3 where it is for RGB or grey. Raises CheckpointError for any other count."""
    key = next((first for first in layout.first if first in state), None)
    shape = () if key is None else tuple(state[key].shape)
    if len(shape) != 4 or shape[1] in (1, 3):
        return 3
    if shape[1] == 4:
        return 4
    raise CheckpointError(
        got=f"weights of a model that takes {shape[1]} channels ({key!r} is {shape})",
        allowed="images of 3 channels, of 1 (grey) or of 4 (RGB and one more)",
        do="train it on these; no images have other channels that could be calibrated and judged with",
    )


def colour_notes(grey: bool, channels: int) -> tuple[str, ...]:
    """A remark on images that are no RGB."""
    return (GREY_NOTE,) if grey else (FOURTH_NOTE,) if channels == 4 else ()


BGR_NOTE = "takes BGR: its first convolution is turned, so that files take RGB, and mean and std, said in its order, are turned, too"


def turn_colors(module: nn.Module) -> None:
    """Turns the first convolution of a reference model for BGR, in place, so that it gives the same for RGB."""
    first = next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
    first.weight = nn.Parameter(first.weight.detach().flip(1), requires_grad=first.weight.requires_grad)


def taking_rgb(layout: Layout, state: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], bool]:
    """`state` with a first convolution for RGB where it has one for grey, and whether it had.

    A convolution is linear: over the grey of an image it is the convolution over its colours, each with its share. A grey image, given
    as three equal planes, gives what it gave, since the shares are one together.
    """
    key = next((first for first in layout.first if first in state), None)
    if key is None or state[key].ndim != 4 or state[key].shape[1] != 1 or not state[key].is_floating_point():
        return state, False
    shares = torch.tensor(GREY, dtype=torch.float64)[:, None, None]
    return {**state, key: (state[key].double() * shares).float()}, True
