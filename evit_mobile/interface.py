"""What an app developer can choose about a Core ML package: image or tensor in, scores or classes out, for which iOS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calib.preprocess import Preprocess
from converters.contract import Target
from converters.coreml.options import TENSORS, Options
from converters.coreml.target import CoreMLTarget
from converters.interface import Normalization
from evit_mobile.request import ConvertRequest

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def with_interface(
    target: Target, request: ConvertRequest, preprocess: Preprocess, further: Sequence[ExportedProgram] = ()
) -> Target:
    """`target`, where it is Core ML, writing packages with the interface that is asked for, for images preprocessed like that, and
    with the programs of `further` sizes.
    """
    pixels = Normalization(mean=preprocess.mean, std=preprocess.std) if request.image_input else None
    options = Options(pixels=pixels, classes=request.class_output, release=request.ios)
    if not isinstance(target, CoreMLTarget) or (options == TENSORS and not further):
        return target
    return CoreMLTarget(options, further)
