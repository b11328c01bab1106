"""The origin and the prefix of a file are told by its first convolution, of which there is one."""

from __future__ import annotations

import pytest

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights.layouts import LAYOUTS, find_layout, first_convolution, own_layout

OURS = "stem.in_conv.conv.weight"


def test_no_network_and_two_networks_are_refused() -> None:
    with pytest.raises(CheckpointError, match="first convolution"):
        find_layout(["conv1.weight", "fc.weight"])
    with pytest.raises(CheckpointError, match="2 networks"):
        find_layout(["student.stem.in_conv.conv.weight", "teacher.stem.in_conv.conv.weight"])


@pytest.mark.parametrize(
    ("key", "origin", "prefix"),
    [
        (OURS, "timm", ""),
        (f"_orig_mod.model.{OURS}", "timm", "_orig_mod.model."),
        ("patch_embed.conv1.conv.weight", "timm", ""),
        ("net.patch_embed.conv1.weight", "timm", "net."),
        ("patch_embed.0.c.weight", "msra", ""),
        ("module.patch_embed.0.weight", "msra", "module."),
        ("backbone.input_stem.op_list.0.conv.weight", "mit", ""),
        ("input_stem.op_list.0.conv.weight", "mit", ""),
        ("image_encoder.backbone.stages.0.op_list.0.conv.weight", "mit", "image_encoder."),
    ],
)
def test_a_first_convolution_tells_the_origin_and_the_prefix(key: str, origin: str, prefix: str) -> None:
    """Of names that contain each other, as with and without "backbone.", the longest counts."""
    layout, found = find_layout(["epoch", key, "stages.3.weight"])
    assert (layout.origin, found) == (origin, prefix)
    assert found + next(first for first in layout.first if key.endswith(first)) == key


@pytest.mark.parametrize("key", [f"x{OURS}", "in_conv.conv.weight", OURS + ".0", "stem.in_conv.conv.bias", ""])
def test_other_keys_are_none(key: str) -> None:
    assert first_convolution(key) is None


def test_what_was_found_in_place_of_a_network_is_named() -> None:
    with pytest.raises(CheckpointError) as refusal:
        find_layout(["conv1.weight", "bn.weight", "fc.weight", "fc.bias"])
    assert refusal.value.got == "4 tensors, 'conv1.weight', 'bn.weight', 'fc.weight', ..."
    assert OURS in refusal.value.allowed
    with pytest.raises(CheckpointError, match=r"2 networks, under 'no prefix', 'teacher\.'"):
        find_layout([OURS, f"teacher.{OURS}"])


@pytest.mark.parametrize("key", ["stem_in_conv.conv.weight", "model.stages_0.blocks.0.main.conv.weight"])
def test_stages_side_by_side_are_timms_features_only(key: str) -> None:
    with pytest.raises(CheckpointError, match=f"features_only form, which gives several maps .'{key}'"):
        find_layout([key, OURS])


def test_the_first_layout_of_a_family_has_our_names() -> None:
    for family in ("msra", "mit"):
        own = own_layout(family)
        assert (own.family, own.origin) == (family, "timm")
        assert own.rename("stages.0.blocks.0.weight") == "stages.0.blocks.0.weight"


def test_no_two_layouts_begin_alike() -> None:
    firsts = [first for layout in LAYOUTS for first in layout.first]
    assert len(set(firsts)) == len(firsts)
