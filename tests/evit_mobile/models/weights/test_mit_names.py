"""MIT's names of our tensors, against those that its own code was recorded to have."""

from __future__ import annotations

import pytest

from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.mit_names import LAYOUTS, mit_base_name, mit_large_name, with_zoo_eps
from evit_mobile.models.weights.template import template
from evit_mobile.spec import MODELS
from tests.evit_mobile.models.test_weights_upstream import read


@pytest.mark.parametrize(
    ("ours", "base", "large"),
    [
        ("stem.in_conv.conv.weight", "backbone.input_stem.op_list.0.conv.weight", "backbone.stages.0.op_list.0.conv.weight"),
        ("stem.res0.main.a", "backbone.input_stem.op_list.1.main.a", "backbone.stages.0.op_list.1.main.a"),
        ("stages.0.blocks.1.main.a", "backbone.stages.0.op_list.1.main.a", "backbone.stages.1.op_list.1.main.a"),
        ("stages.3.blocks.12.main.a", "backbone.stages.3.op_list.12.main.a", "backbone.stages.4.op_list.12.main.a"),
        ("head.in_conv.conv.weight", "head.op_list.0.conv.weight", "head.op_list.0.conv.weight"),
        ("head.classifier.0.weight", "head.op_list.2.linear.weight", "head.op_list.2.linear.weight"),
        ("head.classifier.1.bias", "head.op_list.2.norm.bias", "head.op_list.2.norm.bias"),
        ("head.classifier.4.bias", "head.op_list.3.linear.bias", "head.op_list.3.linear.bias"),
        ("head.inputs.0.conv.weight", "head.input_ops.2.conv.weight", "head.input_ops.2.conv.weight"),
        ("head.inputs.2.conv.weight", "head.input_ops.0.op_list.0.conv.weight", "head.input_ops.0.op_list.0.conv.weight"),
    ],
)  # fmt: skip
def test_names_by_hand(ours: str, base: str, large: str) -> None:
    """The stem of an L backbone is its stage 0, and inputs of a segmentation head start at the last stage."""
    assert (mit_base_name(ours), mit_large_name(ours)) == (base, large)


def layout_of(first: str) -> Layout:
    return next(layout for layout in LAYOUTS if layout.first == (first,))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("efficientvit_b0", "backbone.input_stem.op_list.0.conv.weight"),
        ("efficientvit_seg_b0_cityscapes", "backbone.input_stem.op_list.0.conv.weight"),
        ("efficientvit_l1", "backbone.stages.0.op_list.0.conv.weight"),
        ("efficientvit_l0", "stages.0.op_list.0.conv.weight"),
    ],
)
def test_every_name_is_one_of_mits_own_and_none_is_left(name: str, first: str) -> None:
    rename = layout_of(first).rename
    assert {rename(ours) for ours in template(name).shapes} == set(read(f"mit.{name}")["keys"])


def test_a_backbone_by_itself_lacks_its_prefix() -> None:
    alone, whole = (layout_of(f"{prefix}input_stem.op_list.0.conv.weight").rename for prefix in ("", "backbone."))
    names = [name for name in template("efficientvit_b0").shapes if not name.startswith("head.")]
    assert [f"backbone.{alone(name)}" for name in names] == [whole(name) for name in names]


def test_each_layout_recognises_its_own_names() -> None:
    ours = "stem.in_conv.conv.weight"
    assert [layout.first for layout in LAYOUTS] == [(layout.rename(ours),) for layout in LAYOUTS]


def test_the_model_zoo_has_its_own_eps() -> None:
    """As recorded for L1 and B0: attention 1e-15, and in the head that of the other norms."""
    for name, eps in (("efficientvit_l1", 1e-7), ("efficientvit_b0", 1e-5)):
        adapted = with_zoo_eps(MODELS[name].architecture).eps
        assert adapted == {"attention_eps": 1e-15, "norm_eps": eps, "head_norm_eps": eps}
        record = read(f"mit.{name}")
        assert (record["attention_eps"], record["norm_eps"]) == ([1e-15], [eps])
    with pytest.raises(AssertionError):
        with_zoo_eps(MODELS["efficientvit_m0"].architecture)
