"""What an app developer can choose about a package beyond its precision. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from converters.contract import Precision
from converters.errors import ConverterError
from converters.interface import Interface

RELEASES = (16, 17, 18)
"""Releases of iOS that a package can be written for."""

OLDEST_RELEASE = {
    Precision.FP32: 16,
    Precision.FP16: 16,
    Precision.INT8_WEIGHTS: 16,
    Precision.INT8: 17,
    Precision.FP16_PALETTE4: 18,
    Precision.FP16_PALETTE6: 18,
    Precision.INT8_PALETTE4: 18,
    Precision.INT8_PALETTE6: 18,
}
"""The first iOS that can run each precision: int8 activations came with iOS 17, a palette for every few channels with 18."""

USUAL_RELEASE = {**OLDEST_RELEASE, Precision.INT8: 18}
"""The iOS that a package is written for unless another is asked for. From 18 on int8 weights have the block-wise form, the
one that Apple's tools write today."""


class OptionError(ConverterError):
    """Options that contradict each other, the precision or the model."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Interface):
    """The interface of a package: an image is a CVPixelBuffer in Swift, and probabilities join the scores instead of replacing them.
    `release` is the oldest iOS that has to run it, None for the usual one of the precision.
    """

    release: int | None = None

    def release_for(self, precision: Precision) -> int:
        """The iOS release to write for. Raises OptionError when the precision needs a newer one."""
        release = USUAL_RELEASE[precision] if self.release is None else self.release
        usable = [known for known in RELEASES if known >= OLDEST_RELEASE[precision]]
        if release not in usable:
            raise OptionError(
                got=f"{precision} for iOS {release}",
                allowed=f"iOS {', '.join(map(str, usable))} for {precision}",
                do="choose one of these, or another precision",
            )
        return release


TENSORS = Options()
"""A tensor in, scores out."""
