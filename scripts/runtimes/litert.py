"""Runs a .tflite file with the Interpreter of LiteRT, tflite-runtime or TensorFlow: MODEL.tflite IMAGES.npy OUTPUTS.npy.

Imports nothing of ours.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np

MODULES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite")


def interpreter(model: str) -> Any:
    """Of the first of MODULES that is installed, ready to run."""
    for name in MODULES:
        try:
            module = import_module(name)
        except ImportError:
            continue
        loaded = module.Interpreter(model_path=model, num_threads=1)
        loaded.allocate_tensors()
        return loaded
    raise ImportError(f"none of {', '.join(MODULES)} is installed")


def main(model: str, images: str, outputs: str) -> None:
    """What the file gives, integers as they are, for images (B, 3, H, W) of floats, or of codes where it takes integers."""
    loaded = interpreter(model)
    (taken,), (given,) = loaded.get_input_details(), loaded.get_output_details()
    results = []
    for image in np.load(images):
        loaded.set_tensor(taken["index"], np.ascontiguousarray(image.transpose(1, 2, 0)[None]))
        loaded.invoke()
        results.append(loaded.get_tensor(given["index"]).copy())
    np.save(outputs, np.concatenate(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
