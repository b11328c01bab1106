"""What an app's own libraries want of a file: 8-bit pixels in, probabilities of named classes out. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from converters.errors import ArtefactError

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram

INPUT, LOGITS, PROBABILITIES = "image", "logits", "probabilities"
"""What an artefact's input and output are called, in the file where its format has names, and in the manifest."""

LARGEST_ROUNDING = 0.01
"""How far a pixel may be from a whole number after normalisation in float32 was undone; its error is about 1e-5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalization:
    """What the file itself computes per colour channel from an 8-bit value v: (v / 255 - mean) / std."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def to_metadata(self) -> dict[str, str]:
        """As text in the file's own metadata, where `from_metadata` finds it."""
        return {"mean": json.dumps(self.mean), "std": json.dumps(self.std)}

    @classmethod
    def from_metadata(cls, written: Mapping[str, str]) -> Normalization:
        """Reads `to_metadata`'s text back. Raises KeyError, TypeError or ValueError where it is not there or malformed."""
        mean, std = (_triple(tuple(map(float, json.loads(written[key])))) for key in ("mean", "std"))
        return cls(mean=mean, std=std)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """With `pixels` a file takes an RGB image of 8 bits a channel that it normalises itself, else a preprocessed float32 tensor.
    With `classes` it gives the probability of each class, and names them by the labels in its metadata.
    """

    pixels: Normalization | None = None
    classes: bool = False


TENSORS = Interface()
"""A tensor in, scores out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What a file computes for images of one size. `islands` names the nodes of `program` whose results fp16 cannot hold: formats that can
    mix float types compute them in float32.
    """

    program: ExportedProgram
    islands: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What is chosen about a file beyond its precision; a format heeds what it has. `release` is the oldest iOS that has to run it, None
    for the usual one; `islands` are those of the program that is lowered (`Function`), `further` what the file computes for other sizes.
    """

    interface: Interface = TENSORS
    release: int | None = None
    islands: frozenset[str] = frozenset()
    further: Sequence[Function] = ()


def function_name(height: int, width: int) -> str:
    """What the function for images of this size in pixels is called, in a file that has one for each of several sizes."""
    return f"size_{height}x{width}"


def pixels(images: np.ndarray, normalization: Normalization) -> np.ndarray:
    """The 8-bit values (B, 3, H, W), as float32, that `normalization` turns into `images`; uint8 images are these themselves.

    Raises ArtefactError for images that do not come from 8-bit pixels.
    """
    import numpy as np

    if images.dtype == np.uint8:
        return images
    mean, std = (np.array(values)[:, None, None] for values in (normalization.mean, normalization.std))
    exact = (images * std + mean) * 255
    rounded = exact.round()
    if not abs(exact - rounded).max() <= LARGEST_ROUNDING or rounded.min() < 0 or rounded.max() > 255:
        raise ArtefactError(
            got="images that no 8-bit image gives when it is normalised as the file does",
            allowed="images preprocessed with the file's own mean and std",
            do="preprocess as the manifest's input section says",
        )
    return np.asarray(rounded, np.float32)


def _triple(values: tuple[float, ...]) -> tuple[float, float, float]:
    first, second, third = values
    return (first, second, third)
