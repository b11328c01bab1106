"""Images for conversions that are about something else than how many images judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.sources.bundled import Bundled, open_bundled

COUNT = 80
"""About half of them judge, and no fewer than 32 may: a file in a slow runtime takes a sixth of the time of 256."""


def few_images(folder: Path) -> Path:
    """Images of clothes as a file in `folder`."""
    dataset = open_bundled(Bundled.TEST)
    pixels = np.stack([np.asarray(dataset.item(index)) for index in range(COUNT)])
    np.savez(folder / "images.npz", images=pixels)
    return folder / "images.npz"
