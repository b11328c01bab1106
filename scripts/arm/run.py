"""Runs a .tflite file on the images of a .npy file and stores its outputs; needs numpy and ai-edge-litert only.

    python run.py MODEL.tflite IMAGES.npy OUTPUTS.npy

Images are (images, ...) in the file's own layout and type, outputs (images, ...) likewise. On a machine's own kernels, or on Arm's:

    PYTHONPATH=FOLDER/site FOLDER/qemu-aarch64 -cpu cortex-a76 -L FOLDER/root FOLDER/root/usr/bin/python3.11 run.py ...

with the FOLDER that prepare.sh made. What takes which time there says nothing about phones.
"""

from __future__ import annotations

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def run(model: str, images: np.ndarray) -> np.ndarray:
    """Outputs (images, ...) of the model."""
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    outputs = []
    for image in images:
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result)[0].copy())
    return np.stack(outputs)


if __name__ == "__main__":
    model, images, outputs = sys.argv[1:]
    np.save(outputs, run(model, np.load(images)))
