"""Runs a .tflite file with tflite-micro: MODEL.tflite IMAGES.npy OUTPUTS.npy. Imports nothing of ours."""

from __future__ import annotations

import sys

import numpy as np
from tflite_micro.python.tflite_micro import runtime

ARENA_BYTES = 32 << 20


def main(model: str, images: str, outputs: str) -> None:
    """What the file gives, integers as they are, for images (B, 3, H, W) of floats, or of codes where it takes integers."""
    loaded = runtime.Interpreter.from_file(model, arena_size=ARENA_BYTES)
    results = []
    for image in np.load(images):
        loaded.set_input(np.ascontiguousarray(image.transpose(1, 2, 0)[None]), 0)
        loaded.invoke()
        results.append(loaded.get_output(0).copy())
    np.save(outputs, np.concatenate(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
