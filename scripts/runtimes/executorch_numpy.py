"""Runs a .pte file with executorch-numpy-runtime: executorch_numpy.py MODEL.pte IMAGES.npy OUTPUTS.npy. Imports nothing of ours."""

from __future__ import annotations

import sys

import executorch_numpy_runtime
import numpy as np


def main(model: str, images: str, outputs: str) -> None:
    """The outputs for images (B, 3, H, W), one at a time, twice: what reads freed memory may answer differently each time."""
    program = executorch_numpy_runtime.Runtime.get().load_program(model)
    method = program.load_method("forward")
    stacked = np.load(images)
    first, again = (
        np.concatenate([method([np.ascontiguousarray(image[None])])[0] for image in stacked]) for _ in range(2)
    )
    assert np.array_equal(first, again), "the second run differs from the first"
    np.save(outputs, first)


if __name__ == "__main__":
    main(*sys.argv[1:])
