"""What a model of four channels cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evit_mobile.errors import UsageError
from evit_mobile.spec import ModelSpec

if TYPE_CHECKING:
    from evit_mobile.request.request import ConvertRequest


def check_channels(request: ConvertRequest, spec: ModelSpec) -> None:
    """Raises UsageError for what only images of three channels have, asked of a model of four, and for such a model without images: there
    are none that everybody has.
    """
    faults = {
        "--image-input": (request.image_input, "leave it out: the file then takes tensors"),
        f"--{request.variation}": (request.variation is not None, "leave it out"),
        "no images": (
            request.calib is None,
            "pass --calib DIR with PNG files of mode RGBA, or an .npz of shape (N, H, W, 4)",
        ),
    }
    for what, (faulty, do) in faults.items():
        if faulty and spec.channels != 3:
            raise UsageError(
                got=f"{what} for {spec.name}, which takes {spec.channels} channels",
                allowed="images of your own with four channels, and files that take them as tensors",
                do=do,
            )
