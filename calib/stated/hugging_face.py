"""Hugging Face's way: preprocessor_config.json, what an image processor of transformers saves.

Read as transformers 5.24 applies it: resize, centre crop, rescale, normalise. Its cropping rounds half a pixel down where
Preprocess rounds it to the even number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from calib.preprocess import Resize
from calib.stated.statement import Statement
from calib.stated.timm import read_settings
from calib.stated.values import BGR, channel_numbers, crop_of, filter_number, unmet

KINDS = (
    "Beit",
    "Bit",
    "Blip",
    "ChineseCLIP",
    "CLIP",
    "ConvNext",
    "DeiT",
    "MobileNetV1",
    "MobileNetV2",
    "Pvt",
    "Segformer",
    "Siglip",
    "ViT",
)
"""Classes that do these steps and no others, before "ImageProcessor" in their names. Others, such as Levit's and EfficientNet's, add
steps that their files do not tell.
"""

KNOWN_STEPS = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_flip_channel_order"}
LABEL_STEPS = {"do_reduce_labels", "do_convert_annotations"}
"""Steps that change labels and leave images alone."""

WARPED_FROM = 384
"""ConvNeXT's processor, the one with a crop_pct, squashes from this size on."""

NAMES = {"image_processor_type", "feature_extractor_type", "image_mean", "do_resize", "do_normalize", "data_config"}
"""Each of them is found in such files and in no others."""


def is_processor(fields: Mapping[str, Any]) -> bool:
    """Whether these fields are an image processor's."""
    return not NAMES.isdisjoint(fields)


def read_processor(fields: Mapping[str, Any], source: str) -> Statement:
    """What an image processor's saved fields say."""
    for name in ("pretrained_cfg", "data_config"):
        if isinstance(fields.get(name), Mapping):  # TimmWrapperImageProcessor leaves everything to timm
            return read_settings(fields[name], source)
    kind = str(fields.get("image_processor_type") or fields.get("feature_extractor_type") or "")
    if kind and re.split("ImageProcessor|FeatureExtractor", kind)[0] not in KINDS:
        error = unmet(f"{kind}, whose steps are its own", f"those of {', '.join(KINDS)}", "preprocess")
        return Statement(source=source, values=dict.fromkeys(("resize", "crop_pct", "mean", "std"), error))
    geometry, size = _geometry(fields, kind)
    values = {**geometry, **_normalization(fields)}
    if fields.get("resample") is not None:
        values["interpolation"] = filter_number(fields["resample"])
    if fields.get("do_flip_channel_order"):
        values["color"] = BGR
    return Statement(source=source, values=values, size=size)


def _geometry(fields: Mapping[str, Any], kind: str) -> tuple[dict[str, Any], tuple[int, int] | None]:
    """`resize` and `crop_pct`, and the input's (height, width)."""
    unknown = [name for name in fields if name.startswith("do_") and name not in KNOWN_STEPS | LABEL_STEPS]
    asked = [name for name in unknown if fields[name]]
    if asked:
        return _refused(f"{', '.join(asked)}", "resize, centre crop, rescale and normalise")
    if fields.get("do_resize") is False:
        return _refused("images that are not resized (do_resize false)", "images resized to one size")
    cropped = _sides(fields.get("crop_size")) if fields.get("do_center_crop", "crop_size" in fields) else None
    match fields.get("size"):
        case {"height": int(height), "width": int(width)}:
            return _squashed((height, width), cropped)
        case {"shortest_edge": int(edge)} if fields.get("size", {}).get("longest_edge") is None:
            return _covering(edge, cropped, fields.get("crop_pct") if kind.startswith("ConvNext") else None)
        case int(side) if cropped is None and fields.get("crop_pct") is None:
            return _squashed((side, side), None)
        case None:
            return {}, cropped
    return _refused(f"size {fields['size']}", '{"height", "width"}, or {"shortest_edge"} with a crop')


def _squashed(size: tuple[int, int], cropped: tuple[int, int] | None) -> tuple[dict[str, Any], tuple[int, int]]:
    kept = cropped or size
    return {"resize": Resize.SQUASH, "crop_pct": crop_of(kept, size)}, kept


def _covering(
    edge: int, cropped: tuple[int, int] | None, crop_pct: Any
) -> tuple[dict[str, Any], tuple[int, int] | None]:
    if cropped is not None and cropped[0] == cropped[1]:
        return {"resize": Resize.COVER, "crop_pct": crop_of(cropped, (edge, edge))}, cropped
    if cropped is None and isinstance(crop_pct, float):
        kept = (edge, edge)
        if edge >= WARPED_FROM:
            return _squashed(kept, None)
        resized = math.floor(edge / crop_pct)
        return {"resize": Resize.COVER, "crop_pct": crop_of(kept, (resized, resized))}, kept
    without = "without a crop" if cropped is None else f"with a crop of {cropped[0]}x{cropped[1]}"
    return _refused(f"a shortest edge of {edge} {without}", "a shortest edge with a square crop")


def _refused(got: str, allowed: str) -> tuple[dict[str, Any], None]:
    error = unmet(got, allowed, "squash or --cover, and --crop-pct,")
    return {"resize": error, "crop_pct": error}, None


def _normalization(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`mean` and `std` on the 0..1 scale, whatever scale the images are brought to before."""
    if fields.get("rescale_offset"):
        error = unmet("rescale_offset", "values of 0..1 before mean and std", "mean and --std")
        return {"mean": error, "std": error}
    scale = _scale(fields)  # of 8-bit values, times 255
    if fields.get("do_normalize", "image_mean" in fields) is False:
        return {"mean": (0.0,) * 3, "std": (1 / scale,) * 3}
    values = {}
    for field, stored in (("mean", fields.get("image_mean")), ("std", fields.get("image_std"))):
        if stored is not None:
            values[field] = channel_numbers(field, _divided(stored, scale), broadcast=True)
    return values


def _scale(fields: Mapping[str, Any]) -> float:
    if fields.get("do_rescale", True) is False:
        return 255.0
    factor = fields.get("rescale_factor") or 1 / 255
    return 1.0 if math.isclose(factor, 1 / 255) else 255.0 * float(factor)


def _divided(stored: Any, scale: float) -> Any:
    """`stored` number or numbers on the 0..1 scale."""
    if scale == 1:
        return stored
    numbers = stored if isinstance(stored, list | tuple) else [stored]
    return [number / scale for number in numbers]


def _sides(size: Any) -> tuple[int, int] | None:
    match size:
        case {"height": int(height), "width": int(width)}:
            return height, width
        case int(side):
            return side, side
    return None
