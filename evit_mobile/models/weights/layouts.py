"""How each origin names what our reference models name.

Our names are those of timm 1.0.31. A layout translates one of our names into the origin's, so that an error can speak
of the key that the user's file has or lacks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from evit_mobile.errors import CheckpointError
from evit_mobile.spec import Family, MitArchitecture, MsraArchitecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Names of one origin for one family.

    `first` are the names that the first convolution's weight has, plain and with its norm folded in; they recognise the
    origin. `rename` takes one of our names to the origin's. `zoo_eps` is whether the eps are those of MIT's model zoo;
    the table in spec.py has those of timm's port. `antialias` is whether the origin resizes bias tables with an
    antialiasing filter. `trunk` are the parts of the network, one behind the other, that lead to the last stage's features, none where
    the network is just that; with `stages` they return these among those of all stages, in a dictionary.
    """

    origin: str
    family: Family
    first: tuple[str, ...]
    rename: Callable[[str], str]
    zoo_eps: bool = False
    antialias: bool = True
    trunk: tuple[str, ...] = ()
    stages: bool = False

    def architecture(self, architecture: MsraArchitecture | MitArchitecture) -> MsraArchitecture | MitArchitecture:
        """`architecture` with the eps of the origin."""
        if isinstance(architecture, MsraArchitecture) or not self.zoo_eps:
            return architecture
        return replace(architecture, attention_eps=MIT_ATTENTION_EPS, head_norm_eps=architecture.norm_eps)


MIT_ATTENTION_EPS = 1e-15


def same(name: str) -> str:
    """timm's names are ours."""
    return name


Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def apply_rules(rules: Iterable[Rule], name: str) -> str:
    """`name` after the first rule whose pattern matches its start."""
    for pattern, replacement in rules:
        if pattern.match(name):
            return pattern.sub(replacement, name, count=1)
    return name


DOWNSAMPLE_INDEX = {"res1": "0", "patchmerge": "1", "res2": "2"}
MICROSOFT_RULES: tuple[Rule, ...] = (
    (re.compile(r"patch_embed\.conv(\d+)"), lambda m: f"patch_embed.{2 * (int(m[1]) - 1)}"),
    (re.compile(r"stages\.(\d+)\.downsample\.(\w+)"), lambda m: f"blocks{int(m[1]) + 1}.{DOWNSAMPLE_INDEX[m[2]]}"),
    (re.compile(r"stages\.0\.blocks\.(\d+)"), lambda m: f"blocks1.{m[1]}"),
    (re.compile(r"stages\.(\d+)\.blocks\.(\d+)"), lambda m: f"blocks{int(m[1]) + 1}.{int(m[2]) + 3}"),
)


def microsoft_name(name: str) -> str:
    """microsoft/Cream EfficientViT/classification/model/efficientvit.py@4a13c40, class EfficientViT.

    From the second stage on, `blocksN` starts with the three parts of the downsampling.
    """
    leaf = {"conv": "c", "linear": "l"}
    return ".".join(leaf.get(part, part) for part in apply_rules(MICROSOFT_RULES, name).split("."))


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


def mit_base_name(name: str) -> str:
    """mit-han-lab/efficientvit efficientvit/models/efficientvit/{backbone,cls,seg}.py@de7d773, B variants."""
    return apply_rules(MIT_BASE_RULES, name)


def mit_large_name(name: str) -> str:
    """The same files, L variants: the stem is stage 0 of EfficientViTLargeBackbone."""
    return apply_rules(MIT_LARGE_RULES, name)


def mit_backbone_name(name: str) -> str:
    """EfficientViTLargeBackbone by itself."""
    return mit_large_name(name).removeprefix("backbone.")


def mit_base_backbone_name(name: str) -> str:
    """EfficientViTBackbone by itself."""
    return mit_base_name(name).removeprefix("backbone.")


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        origin="timm",
        family=Family.MSRA,
        first=("patch_embed.conv1.conv.weight", "patch_embed.conv1.weight"),
        rename=same,
        trunk=("patch_embed", "stages"),
    ),
    Layout(
        origin="timm",
        family=Family.MIT,
        first=("stem.in_conv.conv.weight",),
        rename=same,
        trunk=("stem", "stages"),
    ),
    Layout(
        origin="msra",
        family=Family.MSRA,
        first=("patch_embed.0.c.weight", "patch_embed.0.weight"),
        rename=microsoft_name,
        antialias=False,
        trunk=("patch_embed", "blocks1", "blocks2", "blocks3"),
    ),
    Layout(
        origin="mit",
        family=Family.MIT,
        first=("backbone.input_stem.op_list.0.conv.weight",),
        rename=mit_base_name,
        zoo_eps=True,
        trunk=("backbone",),
        stages=True,
    ),
    Layout(
        origin="mit",
        family=Family.MIT,
        first=("backbone.stages.0.op_list.0.conv.weight",),
        rename=mit_large_name,
        zoo_eps=True,
        trunk=("backbone",),
        stages=True,
    ),
    Layout(
        origin="mit",
        family=Family.MIT,
        first=("stages.0.op_list.0.conv.weight",),
        rename=mit_backbone_name,
        zoo_eps=True,
        stages=True,
    ),
    Layout(
        origin="mit",
        family=Family.MIT,
        first=("input_stem.op_list.0.conv.weight",),
        rename=mit_base_backbone_name,
        zoo_eps=True,
        stages=True,
    ),
)


FEATURES_ONLY = re.compile(r"(?:.*\.)?(?:stem_in_conv|stages_\d)\.")
"""timm's features_only models have the stages side by side, with other names."""


def find_layout(keys: Iterable[str]) -> tuple[Layout, str]:
    """The layout that names the keys, and the prefix before every name: "module.", "_orig_mod.model.", or "".

    Raises CheckpointError when no first convolution is found, or more than one network's.
    """
    keys = list(keys)
    side_by_side = [key for key in keys if FEATURES_ONLY.match(key)]
    if side_by_side:
        raise CheckpointError(
            got=f"weights of timm's features_only form, which gives several maps ({side_by_side[0]!r})",
            allowed="weights of a network with one output",
            do="save the state dict of the model created without features_only",
        )
    found = [first for key in keys if (first := first_convolution(key)) is not None]
    if not found:
        raise CheckpointError(
            got=f"{len(keys)} tensors, {', '.join(map(repr, keys[:3]))}{', ...' if len(keys) > 3 else ''}",
            allowed="the first convolution of an EfficientViT, under any prefix: "
            + ", ".join(first for layout in LAYOUTS for first in layout.first),
            do="check that this is a checkpoint of EfficientViT M0-M5, B0-B3 or L0-L3, of timm, MIT or Microsoft",
        )
    if len(found) > 1:
        raise CheckpointError(
            got=f"{len(found)} networks, under {', '.join(repr(prefix or 'no prefix') for _, prefix in found)}",
            allowed="one network",
            do="save the state dict of the one to convert",
        )
    return found[0]


def first_convolution(key: str) -> tuple[Layout, str] | None:
    """The layout whose first convolution `key` is, and the prefix before it. Of names that contain each other, as with
    and without "backbone.", the longest counts.
    """
    fitting = [
        (len(first), layout, key.removesuffix(first))
        for layout in LAYOUTS
        for first in layout.first
        if key == first or key.endswith("." + first)
    ]
    return max(fitting, key=lambda fit: fit[0])[1:] if fitting else None
