"""Single values as tools write them. A reader returns the value, or the DataError for what a Preprocess cannot do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from calib.errors import DataError
from calib.preprocess import Interpolation, Resize

Numbers = tuple[float, ...]

PILLOW_NUMBERS = {
    0: Interpolation.NEAREST,
    1: Interpolation.LANCZOS,
    2: Interpolation.BILINEAR,
    3: Interpolation.BICUBIC,
    4: Interpolation.BOX,
    5: Interpolation.HAMMING,
}
"""PIL.Image.Resampling, which Hugging Face's image processors store as numbers."""

CROP_MODES = {"center": Resize.COVER, "squash": Resize.SQUASH}
"""timm's crop modes; its third, "border", pads."""

NAMES = ", ".join(Interpolation)
LARGEST_STD = 3.0
"""No spread of values of 0 to 1 is larger than 0.5, and a scale of 1 is usual; those of values of 0 to 255 are around 58."""


def channel_numbers(field: str, value: Any, *, broadcast: bool) -> Numbers | DataError:
    """Mean or std of red, green and blue, and of a fourth channel, on the 0..1 scale. One number stands for three where `broadcast`."""
    value = value.tolist() if hasattr(value, "tolist") else value  # a tensor or an array
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if len(numbers) == 1 and broadcast:
        numbers *= 3
    finite = all(_is_number(number) and math.isfinite(number) for number in numbers)
    if len(numbers) not in (3, 4) or not finite:
        return unmet(f"{field} {value}", "three numbers, for red, green and blue, or four", field)
    if field == "std" and min(numbers) <= 0:
        return unmet(f"std {value}", "positive numbers", field)
    if max(numbers) > (1 if field == "mean" else LARGEST_STD):
        return unmet(f"{field} {value}, which is on the 0..255 scale", "mean and std on the 0..1 scale", field)
    return tuple(map(float, numbers))


def fraction(value: Any) -> float | DataError:
    """timm's crop_pct: the share of the resized side that is kept."""
    if not _is_number(value) or not 0 < value <= 1:
        padded = ", which pads" if _is_number(value) and value > 1 else ""
        return unmet(f"crop_pct {value}{padded}", "a fraction above 0, up to 1", "crop-pct")
    return float(value)


def filter_name(value: Any) -> Interpolation | DataError:
    """A filter by Pillow's name, in any case."""
    name = str(value).lower()
    if name in list(Interpolation):
        return Interpolation(name)
    return unmet(f"interpolation {value!r}", NAMES, "interpolation")


def filter_number(value: Any) -> Interpolation | DataError:
    """A filter by Pillow's number, or by its name."""
    if isinstance(value, int) and not isinstance(value, bool):
        return PILLOW_NUMBERS.get(value) or unmet(f"resample {value}", f"0 to 5, or {NAMES}", "interpolation")
    return filter_name(value)


def crop_mode(value: Any) -> Resize | DataError:
    """timm's crop_mode."""
    return CROP_MODES.get(str(value)) or unmet(f"crop_mode {value!r}", ", ".join(CROP_MODES), "squash or --cover")


def resize_mode(value: Any) -> Resize | DataError:
    """A way to resize by its own name."""
    return (
        Resize(value) if value in list(Resize) else unmet(f"resize {value!r}", ", ".join(Resize), "squash or --cover")
    )


RGB, BGR = "RGB", "BGR"


def color_order(value: Any) -> str | DataError:
    """The order of a model's channels, RGB or BGR, in any case."""
    order = str(value).upper()
    return order if order in (RGB, BGR) else unmet(f"colour order {value}", f"{RGB} or {BGR}", "color")


def crop_of(crop: tuple[int, int], resized: tuple[int, int]) -> float | DataError:
    """crop_pct for which Preprocess resizes to `resized` (height, width) before it crops to `crop`."""
    for side, whole in zip(crop, resized, strict=True):
        pct = side / whole
        pct = pct if math.floor(side / pct) == whole else math.nextafter(pct, 0)
        if 0 < pct <= 1 and all(math.floor(c / pct) == r for c, r in zip(crop, resized, strict=True)):
            return pct
    return unmet(f"a crop of {_pixels(crop)} out of {_pixels(resized)}", "the same share of both sides", "crop-pct")


def unmet(got: str, allowed: str, option: str) -> DataError:
    """The error for what cannot be met, which `option` would override."""
    return DataError(got=got, allowed=allowed, do=f"pass --{option} with what the model was trained with")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
