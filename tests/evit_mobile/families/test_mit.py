"""The rows of MIT's variants: widths as tensors tell them, what their outputs are, and whose crops count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evit_mobile.families.architecture import Task
from evit_mobile.families.mit import VARIANTS, MitArchitecture, SegmentationHead, crops_like, segmenter
from evit_mobile.spec import MODELS

TRUNK = {
    "stem.in_conv.conv.weight": (6, 3, 3, 3),
    "stages.0.blocks.0.main.point_conv.conv.weight": (12, 24, 1, 1),
    "stages.1.blocks.0.main.point_conv.conv.weight": (20, 48, 1, 1),
    "stages.2.blocks.0.main.point_conv.conv.weight": (40, 80, 1, 1),
    "stages.3.blocks.0.main.point_conv.conv.weight": (96, 160, 1, 1),
    "stages.3.blocks.1.context_module.main.aggreg.0.1.weight": (288, 8, 1, 1),
}
"""Shapes of a pruned model's tensors, all of them different."""
CLASSIFIER = {"head.in_conv.conv.weight": (500, 96, 1, 1), "head.classifier.0.weight": (600, 500)}


def architecture(name: str) -> MitArchitecture:
    found = MODELS[name].architecture
    assert isinstance(found, MitArchitecture)
    return found


def read(found: MitArchitecture, shapes: dict[str, tuple[int, ...]]) -> MitArchitecture:
    return found.with_widths_of(lambda name, axis=0: shapes[name][axis])


def test_widths_are_those_of_the_tensors() -> None:
    found = read(architecture("efficientvit_b0"), TRUNK | CLASSIFIER)
    assert (found.widths, found.head_dim, found.head) == ((6, 12, 20, 40, 96), 8, (500, 600))
    assert (found.channels, found.embedding) == (96, 600)
    assert found.depths == architecture("efficientvit_b0").depths


def test_a_part_without_a_head_keeps_the_variants() -> None:
    assert read(architecture("efficientvit_b0"), TRUNK).head == (1024, 1280)


def test_half_a_head_is_no_part() -> None:
    with pytest.raises(KeyError, match=r"head\.classifier\.0\.weight"):
        read(architecture("efficientvit_b0"), TRUNK | {"head.in_conv.conv.weight": (500, 96, 1, 1)})


def test_a_segmentation_head_has_one_width_and_features_have_none() -> None:
    head = read(architecture("efficientvit_seg_b0_cityscapes"), TRUNK | {"head.inputs.0.conv.weight": (28, 96)}).head
    assert head == SegmentationHead(width=28, depth=1, expansion=4, final_expansion=4)
    assert read(architecture("efficientvit_l0"), TRUNK).head is None


@pytest.mark.parametrize(
    ("name", "task", "words"),
    [
        ("efficientvit_b0", Task.CLASSIFICATION, "a head of 1024 and 1280 channels"),
        ("efficientvit_l0", Task.FEATURES, "a head of no layers"),
        ("efficientvit_seg_l1_ade20k", Task.SEGMENTATION, "a head of 128 channels"),
    ],
)
def test_the_head_says_what_the_output_is(name: str, task: Task, words: str) -> None:
    found = architecture(name)
    assert found.task is task
    assert found.in_words()["head"] == words
    assert found.in_words()["head_dim"] == f"heads of {found.head_dim} channels"


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({}, True),
        ({"head_dim": 64}, True),
        ({"head_dim": 65}, False),
        ({"head_dim": 0}, False),
        ({"widths": (8, 16, 32, 64, 15)}, False),
        ({"widths": (1, 2, 3, 16, 16)}, True),
    ],
)
def test_a_head_of_attention_has_room_in_both_stages_that_attend(changes: dict[str, Any], possible: bool) -> None:
    assert replace(architecture("efficientvit_b0"), **changes).possible is possible


def test_a_segmenter_is_its_backbone_under_the_head_of_a_dataset() -> None:
    spec = segmenter("b1", "cityscapes")
    assert (spec.name, spec.size, spec.num_classes) == ("efficientvit_seg_b1_cityscapes", (1024, 2048), 19)
    head = SegmentationHead(width=64, depth=3, expansion=4, final_expansion=4)
    assert spec.architecture == replace(architecture("efficientvit_b1"), head=head)
    with pytest.raises(KeyError, match="ade20k"):
        segmenter("b0", "ade20k")  # MIT has none


def test_published_variants_are_possible_and_have_names_of_their_own() -> None:
    assert all(spec.architecture.possible for spec in VARIANTS)
    assert len({spec.name for spec in VARIANTS}) == len(VARIANTS) == 7 + 1 + 11


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("efficientvit_b3", "efficientvit_b1"),
        ("efficientvit_l0", None),
        ("efficientvit_l2", None),
        ("efficientvit_seg_b0_cityscapes", None),
    ],
)
def test_only_classifiers_of_b_are_cropped_by_default(name: str, like: str | None) -> None:
    assert crops_like(MODELS[name]) == like
