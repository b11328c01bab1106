"""How images can be resized, by name. Imports neither numpy nor Pillow."""

from __future__ import annotations

from enum import StrEnum


class Resize(StrEnum):
    """COVER keeps the aspect ratio: the smallest size that covers the box (for a square box: shorter side = box side).
    SQUASH resizes to the box exactly, whatever the aspect ratio."""

    COVER = "cover"
    SQUASH = "squash"


class Interpolation(StrEnum):
    """Pillow's filters. When shrinking, their support grows with the factor (antialiasing); NEAREST has none."""

    NEAREST = "nearest"
    BOX = "box"
    BILINEAR = "bilinear"
    HAMMING = "hamming"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"
