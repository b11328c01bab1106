"""Preprocessing of timm's published EfficientViT weights, the default of every model of the same variant."""

from __future__ import annotations

from calib.preprocess import Preprocess
from evit_mobile.families import FAMILIES
from evit_mobile.spec import ModelSpec, family_of

PUBLISHED = {
    f"{variant}.r{side}_in1k": Preprocess(size=(side, side), crop_pct=crop)
    for family in FAMILIES
    for variant, crops in family.crops.items()
    for side, crop in crops.items()
}
"""By timm's name of the weights: `default_cfgs` of timm 1.0.31's models/efficientvit_msra.py and efficientvit_mit.py. All are resized
bicubically, cropped centrally, and have ImageNet's mean and std.
"""


def default_preprocess(spec: ModelSpec) -> Preprocess:
    """As timm publishes it for the variant's weights of the nearest input size; what timm does not have sees the whole image."""
    family = family_of(spec)
    like = family.crops_like(spec)
    if like is None:
        return Preprocess(size=spec.size)
    crops = family.crops.get(spec.name, family.crops[like])
    nearest = min(crops, key=lambda side: abs(side - max(spec.size)))
    return Preprocess(size=spec.size, crop_pct=crops[nearest])
