"""timm's way: `pretrained_cfg` of a model or of config.json, the arguments of train.py, and names of the same kind anywhere else.

What timm 1.0.31 does with them is in timm/data/config.py and timm/data/transforms_factory.py: a mean of one number counts for
every channel, what is empty is not said, and test_input_size and test_crop_pct only count where they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from calib.errors import DataError
from calib.preprocess import Interpolation, Resize
from calib.stated.statement import Statement
from calib.stated.values import BGR, RGB, channel_numbers, color_order, crop_mode, crop_of, filter_name, fraction, unmet

READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "crop_mode": ("resize", crop_mode),
    "crop_pct": ("crop_pct", fraction),
    "interpolation": ("interpolation", filter_name),
}
"""By timm's name: the field of Preprocess, and how its value is read."""

CHANNELS = {
    **{f"{prefix}mean": "mean" for prefix in ("", "image_", "img_", "norm_", "normalize_", "pixel_")},
    **{f"{prefix}std": "std" for prefix in ("", "image_", "img_", "norm_", "normalize_", "pixel_")},
}
SIZES = ("input_size", "img_size", "image_size")


def read_settings(fields: Mapping[str, Any], source: str, *, broadcast: bool = True) -> Statement:
    """What a mapping with timm's names says. `broadcast`: a mean of one number counts for every channel, as it does in timm."""
    values: dict[str, Any] = {}
    for name, (field, read) in READERS.items():
        if fields.get(name):
            values[field] = read(fields[name])
    for name, field in CHANNELS.items():
        if fields.get(name) is not None:
            values[field] = channel_numbers(field, fields[name], broadcast=broadcast)
    if str(fields.get("color")).upper() in (RGB, BGR):  # other scripts mean coloured output by it
        values["color"] = color_order(fields["color"])
    if fields.get("crop_border_pixels"):
        values["crop_pct"] = unmet(
            f"crop_border_pixels {fields['crop_border_pixels']}", "no trimmed border", "crop-pct"
        )
    return Statement(source=source, values=values, size=input_size(fields))


def read_arguments(fields: Mapping[str, Any], source: str, *, broadcast: bool = True) -> Statement:
    """What a training script's arguments say: timm's train.py, or torchvision's reference with its val_resize_size."""
    statement = read_settings(fields, source, broadcast=broadcast)
    resized, cropped = fields.get("val_resize_size"), fields.get("val_crop_size")
    if not isinstance(resized, int) or not isinstance(cropped, int):
        return statement
    crop: float | DataError = crop_of((cropped, cropped), (resized, resized))
    values = {"interpolation": Interpolation.BILINEAR, **statement.values, "resize": Resize.COVER, "crop_pct": crop}
    return Statement(source=source, values=values, size=(cropped, cropped))


def input_size(fields: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width) in pixels."""
    for name in SIZES:
        match fields.get(name):
            case bool():
                continue
            case int(side):
                return side, side
            case [int(height), int(width), 1 | 3 | 4] | [int(height), int(width)] | [_, int(height), int(width)]:
                return height, width
    return None
