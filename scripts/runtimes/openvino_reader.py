"""Runs a .tflite file with OpenVINO in float32, which is not its default: MODEL.tflite IMAGES.npy OUTPUTS.npy. Imports nothing of ours."""

from __future__ import annotations

import sys

import numpy as np
import openvino

SETTINGS = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
"""The last keeps it from quantizing activations that the file has in float."""


def main(model: str, images: str, outputs: str) -> None:
    """What the file gives, integers as they are, for images (B, 3, H, W) of floats, or of codes where it takes integers."""
    compiled = openvino.Core().compile_model(model, "CPU", SETTINGS)
    results = [compiled(np.ascontiguousarray(image.transpose(1, 2, 0)[None]))[0] for image in np.load(images)]
    np.save(outputs, np.concatenate(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
