"""A file's two ends: a tensor or an RGB image in, scores or probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from torch.fx import Node

from converters.interface import Interface, Normalization
from converters.lowering.translate import E, Emit
from converters.lowering.values import Array, Quantization

COLOURS = 3
PIXEL = Quantization(scales=(1 / 255,))
"""An 8-bit value stands for 0 to 1, as every library takes it that looks at a uint8 image's parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends(Generic[E]):
    """What writes each kind of input and output of a runtime's files: an `image` has 8 bits a channel, (1, H, W, 3) RGB, and is
    normalised in the file.
    """

    tensor: Emit[E]
    image: Callable[[E, Node, Normalization], None]
    scores: Emit[E]
    probabilities: Emit[E]

    def input_of(self, interface: Interface) -> Emit[E]:
        """What writes the input that `interface` asks for."""
        normalization = interface.pixels
        if normalization is None:
            return self.tensor
        return lambda emitter, node: self.image(emitter, node, normalization)

    def output_of(self, interface: Interface) -> Emit[E]:
        """What writes the output that `interface` asks for."""
        return self.probabilities if interface.classes else self.scores


def row(values: np.ndarray[Any, np.dtype[Any]], width: int) -> Array:
    """Three numbers as a constant (1, 1, width, 3), as long as a row of pixels: XNNPACK works through the dimensions that both operands
    have at once, 20 times as fast as three values at a time.
    """
    return np.tile(values, width).astype(np.float32).reshape(1, 1, width, COLOURS)
