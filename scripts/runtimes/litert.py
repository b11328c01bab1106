"""Runs a .tflite file with the Interpreter of LiteRT, tflite-runtime or TensorFlow: MODEL.tflite IMAGES.npy OUTPUTS.npy.

Imports nothing of ours.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

MODULES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


def interpreter_class() -> Any:
    """Of the one that is installed."""
    for name in MODULES:
        with suppress(ImportError):
            return import_module(name).Interpreter
    return import_module("tensorflow").lite.Interpreter


def main(model: str, images: str, outputs: str) -> None:
    """What the file gives, integers as they are, for images (B, 3, H, W) of floats, or of codes where it takes integers."""
    loaded = interpreter_class()(model_path=model, num_threads=1)
    loaded.allocate_tensors()
    (taken,), (given,) = loaded.get_input_details(), loaded.get_output_details()
    results = []
    for image in np.load(images):
        loaded.set_tensor(taken["index"], np.ascontiguousarray(image.transpose(1, 2, 0)[None]))
        loaded.invoke()
        results.append(loaded.get_tensor(given["index"]).copy())
    np.save(outputs, np.concatenate(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
