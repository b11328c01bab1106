"""What the origins of M0-M5 call what we call by timm's names."""

from __future__ import annotations

import re
from functools import cache

from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models.weights.layout import Layout, Rule, apply_rules, same

DOWNSAMPLE_INDEX = {"res1": "0", "patchmerge": "1", "res2": "2"}
MICROSOFT_RULES: tuple[Rule, ...] = (
    (re.compile(r"patch_embed\.conv(\d+)"), lambda m: f"patch_embed.{2 * (int(m[1]) - 1)}"),
    (re.compile(r"stages\.(\d+)\.downsample\.(\w+)"), lambda m: f"blocks{int(m[1]) + 1}.{DOWNSAMPLE_INDEX[m[2]]}"),
    (re.compile(r"stages\.0\.blocks\.(\d+)"), lambda m: f"blocks1.{m[1]}"),
    (re.compile(r"stages\.(\d+)\.blocks\.(\d+)"), lambda m: f"blocks{int(m[1]) + 1}.{int(m[2]) + 3}"),
)


@cache  # files are held against all variants of a family
def microsoft_name(name: str) -> str:
    """microsoft/Cream EfficientViT/classification/model/efficientvit.py@4a13c40, class EfficientViT.

    From the second stage on, `blocksN` starts with the three parts of the downsampling.
    """
    leaf = {"conv": "c", "linear": "l"}
    return ".".join(leaf.get(part, part) for part in apply_rules(MICROSOFT_RULES, name).split("."))


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        origin="timm",
        family=MsraArchitecture.family,
        first=("patch_embed.conv1.conv.weight", "patch_embed.conv1.weight"),
        rename=same,
        trunk=("patch_embed", "stages"),
    ),
    Layout(
        origin="msra",
        family=MsraArchitecture.family,
        first=("patch_embed.0.c.weight", "patch_embed.0.weight"),
        rename=microsoft_name,
        antialias=False,
        trunk=("patch_embed", "blocks1", "blocks2", "blocks3"),
    ),
)
