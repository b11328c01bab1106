"""Microsoft's names of our tensors, against those that its own code was recorded to have."""

from __future__ import annotations

import pytest

from evit_mobile.models.weights.msra_names import LAYOUTS, microsoft_name
from evit_mobile.models.weights.template import template
from tests.evit_mobile.models.test_weights_upstream import read


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("patch_embed.conv1.conv.weight", "patch_embed.0.c.weight"),
        ("patch_embed.conv4.bn.bias", "patch_embed.6.bn.bias"),
        ("stages.0.blocks.0.dw0.m.conv.weight", "blocks1.0.dw0.m.c.weight"),
        ("stages.1.blocks.0.dw0.m.conv.weight", "blocks2.3.dw0.m.c.weight"),
        ("stages.2.blocks.2.mixer.m.attn.attention_biases", "blocks3.5.mixer.m.attn.attention_biases"),
        ("stages.1.downsample.res1.0.m.conv.weight", "blocks2.0.0.m.c.weight"),
        ("stages.2.downsample.patchmerge.conv1.bn.weight", "blocks3.1.conv1.bn.weight"),
        ("stages.2.downsample.res2.1.m.pw1.conv.weight", "blocks3.2.1.m.pw1.c.weight"),
        ("head.linear.weight", "head.l.weight"),
        ("head.bn.running_mean", "head.bn.running_mean"),
    ],
)
def test_names_by_hand(ours: str, theirs: str) -> None:
    """From the second stage on, blocks start with the three parts of the downsampling."""
    assert microsoft_name(ours) == theirs


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_m5"])
def test_every_name_is_one_of_microsofts_own_and_none_is_left(name: str) -> None:
    recorded = {key for key in read(f"msra.{name}")["keys"] if not key.endswith("attention_bias_idxs")}
    assert {microsoft_name(ours) for ours in template(name).shapes} == recorded


def test_each_layout_recognises_its_own_names_plain_and_folded() -> None:
    for layout in LAYOUTS:
        plain = layout.rename("patch_embed.conv1.conv.weight")
        assert layout.first == (plain, plain.rpartition(".")[0].rpartition(".")[0] + ".weight")
        assert len({layout.rename(name).partition(".")[0] for name in template("efficientvit_m0").shapes}) == len(
            {*layout.trunk, "head"}
        )
