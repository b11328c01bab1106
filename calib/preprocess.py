"""Preprocess: the only definition of how an image becomes a network input."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from calib.errors import DataError
from calib.images import Picture, upright, with_fourth
from calib.resizing import Interpolation as Interpolation
from calib.resizing import Resize as Resize

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
LARGEST_RESIZED_PIXELS = 1 << 27
"""A 1 x 10,000 strip, scaled to cover 224 x 224, would need gigabytes; above this it is an error."""


_FILTERS = {interpolation: Image.Resampling[interpolation.name] for interpolation in Interpolation}
_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """Image -> float32 (3, H, W), or (4, H, W) where `color` is "RGBA". `size` is (height, width) in pixels; `mean` and `std` are on the
    0..1 scale, a number for each channel.

    The steps, exactly:
    1. Upright 8-bit L or RGB (see `calib.images`), or RGBA, whose fourth channel may be anything and changes no colour; L is replicated to
       three channels after step 3, which is the same.
    2. Pillow resizes the 8-bit image to `resized(...)`. The box is floor(size / crop_pct), as in timm. SQUASH: the box.
       COVER: the axis that must be enlarged most gets the box's side, the other floor(side * longer / shorter), as in
       torchvision. Since 13, Pillow goes along columns first where the height shrinks by more than twice what the width does, else
       along rows first; up to 12 always so. Each pass rounds to 8 bits.
    3. Centre crop to `size`: the offset is (resized - size) / 2, halves rounded to the even number (torchvision's).
    4. Each 8-bit value v becomes (v / 255 - mean) / std, computed in float64 and rounded once to float32.

    Raises DataError when a field is out of range.
    """

    size: tuple[int, int]
    resize: Resize = Resize.COVER
    crop_pct: float = 1.0
    interpolation: Interpolation = Interpolation.BICUBIC
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    color: str = "RGB"

    def __post_init__(self) -> None:
        object.__setattr__(self, "resize", _choice("resize", Resize, self.resize))
        object.__setattr__(self, "interpolation", _choice("interpolation", Interpolation, self.interpolation))
        count = len(self.color)
        _check("size", self.size, len(self.size) == 2 and min(self.size) > 0, "positive height and width in pixels")
        _check("crop_pct", self.crop_pct, 0 < self.crop_pct <= 1, "a fraction in (0, 1]")
        _check("color", self.color, self.color in ("RGB", "RGBA"), "'RGB' or 'RGBA'")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            finite = len(numbers) == count and all(map(math.isfinite, numbers))
            _check(name, numbers, finite, f"{count} finite numbers, one for each channel")
        _check("std", self.std, min(self.std) > 0, "positive numbers")

    @property
    def channels(self) -> int:
        """Of the input, 3 or 4."""
        return len(self.color)

    @property
    def box(self) -> tuple[int, int]:
        """(height, width) that the image is resized to (SQUASH) or made to cover (COVER)."""
        return (math.floor(self.size[0] / self.crop_pct), math.floor(self.size[1] / self.crop_pct))

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) in pixels that an image of this size has after step 2."""
        box_height, box_width = self.box
        if self.resize is Resize.SQUASH:
            return self.box
        if box_height * width >= box_width * height:  # the height needs the larger factor
            return (box_height, box_height * width // height)
        return (box_width * height // width, box_width)

    def pixels(self, picture: Picture) -> NDArray[np.uint8]:
        """Steps 1 to 3: uint8 (H, W) for grey images, (H, W, 3) for colour, (H, W, 4) for RGBA. Raises DataError."""
        image = with_fourth(picture) if self.channels == 4 else upright(picture)
        height, width = self.resized(image.height, image.width)
        if height * width > LARGEST_RESIZED_PIXELS:
            raise DataError(
                got=f"an image of {image.width}x{image.height} pixels",
                allowed=f"images of at most {LARGEST_RESIZED_PIXELS} pixels after resizing to cover {self.box}",
                do="crop the image or use squash",
            )
        if (height, width) != (image.height, image.width):
            image = resized(image, (width, height), _FILTERS[self.interpolation])
        top, left = round((height - self.size[0]) / 2), round((width - self.size[1]) / 2)
        return np.asarray(image)[top : top + self.size[0], left : left + self.size[1]]

    def normalize(self, pixels: NDArray[np.uint8], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Step 4: uint8 (H, W) or (H, W, C) -> float32 (C, H, W), 3 where it is grey, written to `out` where given."""
        result = np.empty((self.channels, *pixels.shape[:2]), np.float32) if out is None else out
        for channel, table in enumerate(_tables(self.mean, self.std)):
            plane = pixels if pixels.ndim == 2 else pixels[:, :, channel]
            np.take(table, plane, out=result[channel], mode="clip")  # "raise" would buffer `out`
        return result

    def __call__(self, picture: Picture, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """All steps: float32 (channels, H, W), written to `out` where given. Raises DataError."""
        return self.normalize(self.pixels(picture), out)

    def to_manifest(self) -> dict[str, Any]:
        """The preprocessing fields of a manifest's "input", with every size worked out for apps to read."""
        return {
            "resize": {"mode": str(self.resize), "size": list(self.box)},
            "crop": {"mode": "center", "size": list(self.size), "pct": self.crop_pct},
            "interpolation": str(self.interpolation),
            "mean": list(self.mean),
            "std": list(self.std),
            "color": self.color,
        }

    @classmethod
    def from_manifest(cls, fields: Mapping[str, Any]) -> Preprocess:
        """Reads `to_manifest`'s fields back; the others of "input" describe the tensor and are not looked at.

        Raises DataError for a missing or malformed field, and for sizes that contradict each other.
        """
        try:
            preprocess = cls(
                size=_pair(fields["crop"]["size"]),
                resize=fields["resize"]["mode"],
                crop_pct=float(fields["crop"]["pct"]),
                interpolation=fields["interpolation"],
                mean=tuple(map(float, fields["mean"])),
                std=tuple(map(float, fields["std"])),
                color=fields["color"],
            )
            written = (_pair(fields["resize"]["size"]), fields["crop"]["mode"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                got=f"a manifest input whose preprocessing cannot be read ({type(error).__name__}: {error})",
                allowed="resize, crop, interpolation, mean, std and color as this tool writes them",
                do="convert again to write a fresh manifest",
            ) from error
        _check("resize and crop", written, written == (preprocess.box, "center"), f"({preprocess.box}, 'center')")
        return preprocess


def resized(image: Image.Image, size: tuple[int, int], kind: Image.Resampling) -> Image.Image:
    """`image` at `size` (width, height). Four channels each by itself: Pillow would weigh colours by the fourth."""
    if image.mode != "RGBA":
        return image.resize(size, kind)
    return Image.merge("RGBA", [band.resize(size, kind) for band in image.split()])


@functools.lru_cache(maxsize=16)
def _tables(mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """(channels, 256): the float32 that each 8-bit value of each channel becomes."""
    values = np.arange(256, dtype=np.float64) / 255
    table = (values - np.array(mean)[:, None]) / np.array(std)[:, None]
    return np.asarray(table, np.float32)


def _check(field: str, value: object, good: bool, allowed: str) -> None:
    if not good:
        raise DataError(got=f"preprocessing {field} {value}", allowed=allowed, do="correct the field")


def _choice(field: str, choices: type[_Choice], value: str) -> _Choice:
    _check(field, value, value in list(choices), ", ".join(choices))
    return choices(value)


def _pair(values: Any) -> tuple[int, int]:
    height, width = values
    return (operator.index(height), operator.index(width))
