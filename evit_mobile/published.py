"""Preprocessing of timm's published EfficientViT weights, the default of every model of the same variant."""

from __future__ import annotations

from calib.preprocess import Preprocess
from evit_mobile.spec import ModelSpec, MsraArchitecture, Task

CROPS = {
    **{f"efficientvit_m{number}": {224: 0.875} for number in range(6)},
    "efficientvit_b0": {224: 0.95},
    **{f"efficientvit_b{number}": {224: 0.95, 256: 1.0, 288: 1.0} for number in (1, 2, 3)},
    "efficientvit_l1": {224: 1.0},
    "efficientvit_l2": {224: 1.0, 256: 1.0, 288: 1.0, 384: 1.0},
    "efficientvit_l3": {224: 1.0, 256: 1.0, 320: 1.0, 384: 1.0},
}
"""crop_pct of timm's published ImageNet-1k weights, by variant and input size in pixels: `default_cfgs` of timm 1.0.31's
models/efficientvit_msra.py and efficientvit_mit.py. All are resized bicubically, cropped centrally, and have ImageNet's mean and std.
"""

PUBLISHED = {
    f"{variant}.r{side}_in1k": Preprocess(size=(side, side), crop_pct=crop)
    for variant, crops in CROPS.items()
    for side, crop in crops.items()
}
"""By timm's name of the weights."""


def default_preprocess(spec: ModelSpec) -> Preprocess:
    """As timm publishes it for the variant's weights of the nearest input size. What timm does not have sees the whole image: L0, and
    segmentation, as upstream, up to the margins that the input's aspect ratio cuts off.
    """
    architecture = spec.architecture
    small = isinstance(architecture, MsraArchitecture)
    if not isinstance(architecture, MsraArchitecture) and (architecture.large or spec.task is Task.SEGMENTATION):
        return Preprocess(size=spec.size)
    crops = CROPS.get(spec.name, CROPS["efficientvit_m0" if small else "efficientvit_b1"])
    nearest = min(crops, key=lambda side: abs(side - max(spec.size)))
    return Preprocess(size=spec.size, crop_pct=crops[nearest])
