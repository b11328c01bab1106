"""What the origins of B0-B3 and L0-L3 call what we call by timm's names."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from evit_mobile.families.architecture import Architecture
from evit_mobile.families.mit import MitArchitecture
from evit_mobile.models.weights.layout import Layout, Rule, apply_rules, same

ATTENTION_EPS = 1e-15
"""That of MIT's model zoo."""

SEGMENTATION_INPUTS = {"0": "2", "1": "1.op_list.0", "2": "0.op_list.0"}
"""Ours are in the order of the stages; upstream's start at the last, and all but the finest are upsampled in a list."""
MIT_HEAD_RULES: tuple[Rule, ...] = (
    (re.compile(r"head\.inputs\.(\d)\."), lambda m: f"head.input_ops.{SEGMENTATION_INPUTS[m[1]]}."),
    (re.compile(r"head\.middle\."), lambda _: "head.middle.op_list."),
    (re.compile(r"head\.output\."), lambda _: "head.output_ops.0.op_list."),
    (re.compile(r"head\.in_conv\."), lambda _: "head.op_list.0."),
    (re.compile(r"head\.classifier\.0\."), lambda _: "head.op_list.2.linear."),
    (re.compile(r"head\.classifier\.1\."), lambda _: "head.op_list.2.norm."),
    (re.compile(r"head\.classifier\.4\."), lambda _: "head.op_list.3.linear."),
)
MIT_BASE_RULES: tuple[Rule, ...] = (
    (re.compile(r"stem\.in_conv\."), lambda _: "backbone.input_stem.op_list.0."),
    (re.compile(r"stem\.res(\d+)\."), lambda m: f"backbone.input_stem.op_list.{int(m[1]) + 1}."),
    (re.compile(r"stages\.(\d+)\.blocks\."), lambda m: f"backbone.stages.{m[1]}.op_list."),
    *MIT_HEAD_RULES,
)
MIT_LARGE_RULES: tuple[Rule, ...] = (
    (re.compile(r"stem\.in_conv\."), lambda _: "backbone.stages.0.op_list.0."),
    (re.compile(r"stem\.res(\d+)\."), lambda m: f"backbone.stages.0.op_list.{int(m[1]) + 1}."),
    (re.compile(r"stages\.(\d+)\.blocks\."), lambda m: f"backbone.stages.{int(m[1]) + 1}.op_list."),
    *MIT_HEAD_RULES,
)


@cache  # files are held against all variants of a family
def mit_base_name(name: str) -> str:
    """mit-han-lab/efficientvit efficientvit/models/efficientvit/{backbone,cls,seg}.py@de7d773, B variants."""
    return apply_rules(MIT_BASE_RULES, name)


@cache  # files are held against all variants of a family
def mit_large_name(name: str) -> str:
    """The same files, L variants: the stem is stage 0 of EfficientViTLargeBackbone."""
    return apply_rules(MIT_LARGE_RULES, name)


def mit_backbone_name(name: str) -> str:
    """EfficientViTLargeBackbone by itself."""
    return mit_large_name(name).removeprefix("backbone.")


def mit_base_backbone_name(name: str) -> str:
    """EfficientViTBackbone by itself."""
    return mit_base_name(name).removeprefix("backbone.")


def with_zoo_eps(architecture: Architecture) -> Architecture:
    """The eps of MIT's model zoo; the table of variants has those of timm's port."""
    assert isinstance(architecture, MitArchitecture)
    return replace(architecture, attention_eps=ATTENTION_EPS, head_norm_eps=architecture.norm_eps)


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        origin="timm",
        family=MitArchitecture.family,
        first=("stem.in_conv.conv.weight",),
        rename=same,
        trunk=("stem", "stages"),
    ),
    Layout(
        origin="mit",
        family=MitArchitecture.family,
        first=("backbone.input_stem.op_list.0.conv.weight",),
        rename=mit_base_name,
        adapt=with_zoo_eps,
        trunk=("backbone",),
        stages=True,
    ),
    Layout(
        origin="mit",
        family=MitArchitecture.family,
        first=("backbone.stages.0.op_list.0.conv.weight",),
        rename=mit_large_name,
        adapt=with_zoo_eps,
        trunk=("backbone",),
        stages=True,
    ),
    Layout(
        origin="mit",
        family=MitArchitecture.family,
        first=("stages.0.op_list.0.conv.weight",),
        rename=mit_backbone_name,
        adapt=with_zoo_eps,
        stages=True,
    ),
    Layout(
        origin="mit",
        family=MitArchitecture.family,
        first=("input_stem.op_list.0.conv.weight",),
        rename=mit_base_backbone_name,
        adapt=with_zoo_eps,
        stages=True,
    ),
)
