"""What an app developer can choose about an artefact's two ends: image or tensor in, scores or probabilities of named classes out; and
for which iOS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.preprocess import Preprocess
from converters.contract import Target
from converters.interface import Choices, Function, Interface, Normalization, pixels
from converters.traits import Choosable, TakesPixels
from evit_mobile.request import ConvertRequest


def with_interface(
    target: Target,
    request: ConvertRequest,
    preprocess: Preprocess,
    islands: frozenset[str] = frozenset(),
    further: Sequence[Function] = (),
) -> Target:
    """`target` writing files with the interface that is asked for, for images preprocessed like that; `islands` and `further` are as in
    `Choices`.
    """
    if not isinstance(target, Choosable):
        return target
    normalization = None
    if request.image_input:
        (red, green, blue), (reds, greens, blues) = preprocess.mean, preprocess.std
        normalization = Normalization(mean=(red, green, blue), std=(reds, greens, blues))
    interface = Interface(pixels=normalization, classes=request.class_output)
    choices = Choices(interface=interface, release=request.ios, islands=islands, further=further)
    return target.chosen(choices)


def fed(target: Target, images: NDArray[np.float32]) -> NDArray[Any]:
    """What a runner of the target's files is given of preprocessed images (B, 3, H, W) to be timed: 8-bit pixels where they normalise,
    so that undoing the preprocessing does not count.
    """
    if not isinstance(target, TakesPixels) or target.interface.pixels is None:
        return images
    return pixels(images, target.interface.pixels).astype(np.uint8)
