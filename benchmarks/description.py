"""The rivals' names, and what a result says about a network. Imports no torch, so the process that measures does not either."""

from __future__ import annotations

from dataclasses import dataclass

RIVALS = ("mobilenetv3_large_100", "deit_tiny_patch16_224")
"""Networks of other families, by timm's names. MobileNetV3-Large: arXiv 1905.02244; DeiT-Tiny: arXiv 2012.12877."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A network: `weights` is "bundled" or "random", `macs` for one image of `size` = (height, width) pixels.

    `reference_top1` in percent of the held-out images; None where the weights were trained on nothing.
    """

    name: str
    weights: str
    macs: int
    params: int
    size: tuple[int, int]
    classes: int
    reference_top1: float | None
