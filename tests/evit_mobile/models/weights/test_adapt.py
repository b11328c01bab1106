"""What is done to a state dict before it is matched: the training's keys go, and images of other channels are taken."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.layers import ConvNorm
from evit_mobile.models.weights.adapt import channels_of, colour_notes, taking_rgb, turn_colors, without_training
from evit_mobile.models.weights.layout import Layout, same

LAYOUT = Layout(origin="timm", family="mit", first=("stem.conv.weight", "stem.weight"), rename=same)
ONE = torch.ones(1)


@pytest.mark.parametrize(
    "key",
    [
        "criterion.weight",
        "model.loss.weight",
        "train_loss_fn.scale",
        "val_metrics.auroc.thresholds",
        "test_acc_top1.total",
        "f1.tp",
        "stages.0.total_ops",
        "total_params",
        "n_averaged",
        "module.pos_weight",
        "class_weights",
    ],
)
def test_keys_of_the_training_go(key: str) -> None:
    kept, notes = without_training({"stem.weight": ONE, key: ONE})
    assert list(kept) == ["stem.weight"]
    assert notes == (f"left out {key!r}: of the training, not of the network",)


@pytest.mark.parametrize("key", ["losses", "glossy.weight", "accurate.0.weight", "head.weight", "f1", "pos_weights.0"])
def test_other_keys_stay(key: str) -> None:
    assert without_training({key: ONE}) == ({key: ONE}, ())


def test_five_keys_are_named_at_most() -> None:
    keys = [f"loss.{number}" for number in range(6)]
    assert ", ..." not in without_training(dict.fromkeys(keys[:5], ONE))[1][0]
    assert without_training(dict.fromkeys(keys, ONE))[1][0].startswith(
        "left out 'loss.0', 'loss.1', 'loss.2', 'loss.3', 'loss.4', ...:"
    )


@pytest.mark.parametrize(
    ("key", "shape", "channels"),
    [
        ("stem.conv.weight", (8, 3, 3, 3), 3),
        ("stem.conv.weight", (8, 1, 3, 3), 3),
        ("stem.weight", (8, 4, 3, 3), 4),
        ("stem.weight", (8, 5), 3),
        ("other.weight", (8, 5, 3, 3), 3),
    ],
)
def test_images_have_the_channels_that_the_first_convolution_takes(
    key: str, shape: tuple[int, ...], channels: int
) -> None:
    """What is no convolution, or not there, is told by whoever matches it."""
    assert channels_of(LAYOUT, {key: torch.zeros(shape)}) == channels


@pytest.mark.parametrize("channels", [2, 5, 13])
def test_other_channels_are_refused(channels: int) -> None:
    with pytest.raises(CheckpointError) as refusal:
        channels_of(LAYOUT, {"stem.conv.weight": torch.zeros(8, channels, 3, 3)})
    assert refusal.value.got == (
        f"weights of a model that takes {channels} channels ('stem.conv.weight' is (8, {channels}, 3, 3))"
    )


def test_a_remark_says_which_images_are_no_rgb() -> None:
    assert colour_notes(False, 3) == ()
    assert "takes 1 channel" in colour_notes(True, 3)[0]
    assert "takes 4 channels" in colour_notes(False, 4)[0]


def test_a_grey_convolution_is_one_over_the_grey_of_colours() -> None:
    torch.manual_seed(0)
    weight, colours = torch.randn(8, 1, 3, 3), torch.rand(1, 3, 6, 6)
    state, grey = taking_rgb(LAYOUT, {"stem.conv.weight": weight, "head.weight": ONE})
    assert grey
    assert list(state) == ["stem.conv.weight", "head.weight"]
    luma = 0.299 * colours[:, :1] + 0.587 * colours[:, 1:2] + 0.114 * colours[:, 2:]
    expected = nn.functional.conv2d(luma, weight)
    assert torch.allclose(nn.functional.conv2d(colours, state["stem.conv.weight"]), expected, atol=1e-5)
    planes = luma.expand(1, 3, 6, 6)
    assert torch.allclose(nn.functional.conv2d(planes, state["stem.conv.weight"]), expected, atol=1e-5)


@pytest.mark.parametrize(
    "weight", [torch.zeros(8, 3, 3, 3), torch.zeros(8, 1), torch.zeros(8, 1, 3, 3, dtype=torch.int8)]
)
def test_other_weights_are_left_as_they_are(weight: torch.Tensor) -> None:
    state = {"stem.weight": weight}
    assert taking_rgb(LAYOUT, state) == (state, False)


def test_only_the_first_convolution_is_turned_for_bgr() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(ConvNorm(3, 4, 3), ConvNorm(4, 3)).eval().requires_grad_(False)
    x = torch.randn(1, 3, 5, 5)
    before, second = model(x), model[1].conv.weight.clone()
    turn_colors(model)
    assert torch.allclose(model(x.flip(1)), before, atol=1e-6)
    assert torch.equal(model[1].conv.weight, second)
    assert not model[0].conv.weight.requires_grad
