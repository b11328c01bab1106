"""Names and shapes of a variant and of its parts, and which shapes can take their places."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from evit_mobile.models.build import build_model
from evit_mobile.models.weights.template import Part, Shape, fits, in_head, only, template, template_of
from evit_mobile.spec import MODELS, Task, Variation, find_spec

M0 = "efficientvit_m0"
TABLE = "stages.0.blocks.0.mixer.m.attn.attention_biases"


@pytest.mark.parametrize(
    ("shape", "expected", "fitting"),
    [
        ((8, 3, 3, 3), (8, 3, 3, 3), True),
        ((8, 3, 3, 3), (8, None, 3, 3), True),
        ((8, 0, 3, 3), (8, None, 3, 3), False),
        ((8, 3, 5, 5), (8, None, 3, 3), False),
        ((8, 3), (8, 3, 1, 1), True),
        ((7, 3), (8, 3, 1, 1), False),
        ((8, 3), (8, 3, 3, 3), False),
        ((8, 3, 1), (8, 3, 1, 1), False),
        ((5, 192), (None, 192), True),
        ((), (), True),
        ((1,), (), False),
    ],
)
def test_shapes_that_can_take_a_place(shape: tuple[int, ...], expected: Shape, fitting: bool) -> None:
    assert fits(shape, expected) is fitting


def test_the_checkpoint_decides_classes_windows_and_channels() -> None:
    shapes = template(M0).shapes
    free = {name: shape for name, shape in shapes.items() if None in shape}
    assert free["patch_embed.conv1.conv.weight"] == (8, None, 3, 3)
    assert (free["head.linear.weight"], free["head.linear.bias"]) == ((None, 192), (None,))
    assert free[TABLE] == (4, None)
    assert len(free) == 3 + sum(name.endswith("attention_biases") for name in shapes)
    assert shapes["stages.0.blocks.0.dw0.m.conv.weight"] == (64, 1, 3, 3)


def test_pairs_of_a_norm_and_a_layer_are_known_by_their_layer() -> None:
    folded = template(M0).folded
    assert folded["patch_embed.conv1"] == "conv"
    assert folded["head"] == "linear"
    assert template("efficientvit_b0").folded == {}


@pytest.mark.parametrize(
    ("name", "classifier"),
    [
        (M0, "head.linear"),
        ("efficientvit_b0", "head.classifier.4"),
        ("efficientvit_seg_b0_cityscapes", "head.output.1.conv"),
        ("efficientvit_l0", None),
    ],
)
def test_the_layer_that_gives_the_logits(name: str, classifier: str | None) -> None:
    assert template(name).classifier == classifier


@pytest.mark.parametrize(
    ("name", "part", "left", "features"),
    [
        (M0, Part.EMBEDDING, "head.", 192),
        (M0, Part.TRUNK, "head.", 192),
        ("efficientvit_b0", Part.EMBEDDING, "head.classifier.4.", 1280),
        ("efficientvit_b0", Part.TRUNK, "head.", 128),
    ],
)
def test_a_part_lacks_what_comes_after_it(name: str, part: Part, left: str, features: int) -> None:
    whole, found = template(name), template(name).only(part)
    assert found.shapes.keys() == {key for key in whole.shapes if not key.startswith(left)}
    assert (found.classifier, found.part, found.features) == (None, part, features)
    assert "head" not in found.folded
    with torch.device("meta"):
        assert only(build_model(MODELS[name]), MODELS[name], part).state_dict().keys() == found.shapes.keys()


def test_the_whole_is_the_whole() -> None:
    assert template(M0).only(Part.WHOLE) is template(M0)
    features = template("efficientvit_l0")
    assert features.only(Part.TRUNK) is features
    module = nn.Linear(1, 1)
    assert only(module, MODELS[M0], Part.WHOLE) is module


def test_an_embedding_gives_features_and_a_trunk_a_map() -> None:
    spec, image = find_spec("efficientvit_b0", size=(32, 64)), torch.zeros(2, 3, 32, 64)
    with torch.no_grad():
        assert only(build_model(spec), spec, Part.EMBEDDING)(image).shape == (2, 1280)
        assert only(build_model(spec), spec, Part.TRUNK)(image).shape == (2, 128, 1, 2)


def test_a_template_of_other_widths_is_of_the_same_part() -> None:
    architecture = replace(MODELS[M0].architecture, widths=(48, 96, 160))
    found = template(M0).only(Part.TRUNK).with_architecture(architecture)
    assert found.shapes["stages.2.blocks.0.dw0.m.conv.weight"] == (160, 1, 3, 3)
    assert (found.part, found.features) == (Part.TRUNK, 160)


def test_features_of_another_width_are_as_many() -> None:
    usual = MODELS["efficientvit_l0"]
    found = template("efficientvit_l0").with_architecture(replace(usual.architecture, widths=(16, 32, 64, 96, 192)))
    assert (found.spec.task, found.spec.num_classes) == (Task.FEATURES, 192)


def test_a_variation_has_other_names() -> None:
    varied = template(M0, Variation.RELU_ATTENTION).shapes
    assert TABLE not in varied
    assert "stages.0.blocks.0.mixer.m.attn.locals.0.weight" in varied
    assert template(M0, Variation.RELU_ATTENTION) is template_of(
        replace(MODELS[M0], variation=Variation.RELU_ATTENTION)
    )


@pytest.mark.parametrize(
    ("name", "inside"), [("head.linear.weight", True), ("head_dist.weight", False), ("net.head.weight", False)]
)
def test_names_in_the_head(name: str, inside: bool) -> None:
    assert in_head(name) is inside
