"""Weights that fit no variant are named for what they are: the first kind that they are of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch

from evit_mobile.models.weights.layouts import LAYOUTS, own_layout
from evit_mobile.models.weights.match import match_variant
from evit_mobile.models.weights.misfit import misfit
from evit_mobile.models.weights.template import template
from tests.evit_mobile.models.weights.held import held, shapes_of

BACKBONE = next(layout for layout in LAYOUTS if layout.first == ("backbone.stages.0.op_list.0.conv.weight",))
BLOCK = "stages.2.blocks.1.main.point_conv.conv.weight"


def words(
    *, missing: Iterable[str] = (), surplus: Iterable[str] = (), misshapen: Iterable[Any] = (), origin: str = "timm"
) -> str:
    """What is said of weights that differ from b0 so."""
    layout = own_layout("mit") if origin == "timm" else BACKBONE
    match = held("efficientvit_b0", missing=missing, surplus=surplus, misshapen=misshapen)
    return misfit(match, layout, {key: torch.zeros(1) for key in surplus}).got


@pytest.mark.parametrize(
    ("surplus", "said"),
    [
        (
            ["neck.input_ops.0.weight", "norm.weight"],
            "this is EfficientViT-SAM's encoder: keys 'neck.input_ops.0.weight'",
        ),
        (["image_encoder.neck.a", "mask_decoder.b"], "this is EfficientViT-SAM: keys 'image_encoder.neck.a'"),
    ],
)
def test_sam(surplus: list[str], said: str) -> None:
    assert words(surplus=surplus, origin="mit").startswith(said)
    assert "SAM" not in words(surplus=surplus)  # which has no timm names


@pytest.mark.parametrize(
    ("missing", "surplus", "named"),
    [
        (
            ["head.classifier.4.weight", "head.classifier.4.bias"],
            ["head.classifier.4.0.weight"],
            "'head.classifier.4.0",
        ),
        ([], ["head.extra.weight"], "'head.extra.weight'"),
        (["head.classifier.4.weight"], ["0.weight", "2.weight", "3.weight", "5.weight"], "'2.weight'; '3.weight'; ..."),
    ],
)
def test_a_head_of_ones_own(missing: list[str], surplus: list[str], named: str) -> None:
    said = words(missing=missing, surplus=surplus)
    assert said.startswith("weights of efficientvit_b0 with a head of its own: ")
    assert named in said


@pytest.mark.parametrize(
    ("missing", "surplus", "named"),
    [
        (["stages.2.blocks.2.main.a", "stages.2.blocks.2.main.b"], [], "with no 'stages.2.blocks.2'"),
        ([], ["stages.3.blocks.3.context_module.main.a"], "with 'stages.3.blocks.3'"),
        (["stages.1.blocks.1.a"], ["stages.2.blocks.9.a"], "with no 'stages.1.blocks.1'; 'stages.2.blocks.9'"),
    ],
)
def test_other_depths(missing: list[str], surplus: list[str], named: str) -> None:
    assert words(missing=missing, surplus=surplus) == (
        f"none of the published depths: nearest to efficientvit_b0, {named}"
    )


def test_a_block_that_is_there_in_part_is_no_other_depth() -> None:
    match = held("efficientvit_b0", missing=[BLOCK])
    state = {"stages.2.blocks.1.main.depth_conv.conv.weight": torch.zeros(1)}
    assert "published depths" not in misfit(match, own_layout("mit"), state).got


def test_more_than_a_network() -> None:
    surplus = ["normalize.mean", "normalize.std", "neck.a", "neck.b"]
    said = words(surplus=surplus)
    assert said == "weights of efficientvit_b0 and 4 more: 'normalize.mean'; 'normalize.std'; 'neck.a'; ..."


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("stages.1.blocks.0.dw0.m.", "stage 2 has 100 channels (efficientvit_m0 128); "),
        ("stages.1.blocks.0.ffn0.m.pw2.", "inside its blocks; "),
    ],
)
def test_other_widths(key: str, said: str) -> None:
    state = shapes_of("efficientvit_m0")
    state = {name: tensor[:100] if name.startswith(key) and tensor.ndim else tensor for name, tensor in state.items()}
    layout = own_layout("msra")
    error = misfit(match_variant(template("efficientvit_m0"), layout, state), layout, state)
    assert error.got.startswith(f"none of the published widths: {said}")


def test_anything_else_is_told_key_by_key_with_the_nearest() -> None:
    missing = [f"stages.{index}.blocks.0.main.a" for index in range(4)]
    said = words(missing=missing, surplus=["stages.0.blocks.0.mian.a"], misshapen=[(BLOCK, (3, 4), (8, None))])
    assert said == (
        "weights in timm naming that are nearest to efficientvit_b0, with keys "
        "4 missing ('stages.0.blocks.0.main.a', nearest in the file 'stages.0.blocks.0.mian.a'; "
        "'stages.1.blocks.0.main.a', nearest in the file 'stages.0.blocks.0.mian.a'; "
        "'stages.2.blocks.0.main.a', nearest in the file 'stages.0.blocks.0.mian.a'; ...), "
        "1 surplus ('stages.0.blocks.0.mian.a'), "
        f"1 misshapen ('{BLOCK}' is (3, 4) in place of (8, any))"
    )
