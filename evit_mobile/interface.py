"""What an app developer can choose about a Core ML package: image or tensor in, scores or classes out, for which iOS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calib.preprocess import Preprocess
from converters.contract import Precision, Target
from converters.coreml.options import Normalization, Options
from converters.coreml.target import CoreMLTarget
from evit_mobile.errors import UsageError

if TYPE_CHECKING:
    from torch.export import ExportedProgram


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """As asked for on the command line. `ios` is the oldest release to run on, None for what the precision needs."""

    image_input: bool = False
    class_output: bool = False
    ios: int | None = None


TENSORS = Interface()


def check_interface(interface: Interface, targets: Sequence[Target], precision: Precision) -> None:
    """Raises UsageError when no target has such an interface, OptionError when the precision needs a newer iOS."""
    if interface == TENSORS:
        return
    if not any(isinstance(target, CoreMLTarget) for target in targets):
        raise UsageError(
            got=f"--image-input, --class-output or --ios for {', '.join(target.name for target in targets)}",
            allowed="these with Core ML",
            do="add --format coreml, or leave them out",
        )
    Options(release=interface.ios).release_for(precision)


def with_interface(
    target: Target, interface: Interface, preprocess: Preprocess, further: Sequence[ExportedProgram] = ()
) -> Target:
    """`target`, where it is Core ML, writing packages with this interface for images preprocessed like that, and with the
    programs of `further` sizes.
    """
    if not isinstance(target, CoreMLTarget) or (interface == TENSORS and not further):
        return target
    pixels = Normalization(mean=preprocess.mean, std=preprocess.std) if interface.image_input else None
    return CoreMLTarget(Options(pixels=pixels, classes=interface.class_output, release=interface.ios), further)
