"""Runs a .pte file for a parent process, over the Vulkan layers that the environment names.

    python vgf_worker.py MODEL.pte INPUTS.npy OUTPUTS.npy     inputs float32 (B, 3, H, W), one image at a time

Imports nothing of ours.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from executorch.runtime import Runtime, Verification


def run(model: str, inputs: str, outputs: str) -> None:
    """Raises RuntimeError where the runtime refuses the file."""
    program = Runtime.get().load_program(model, verification=Verification.Minimal)
    method = program.load_method("forward")
    if method is None:
        raise RuntimeError("a program without a method `forward`")
    images = torch.from_numpy(np.load(inputs))
    np.save(outputs, np.concatenate([method.execute([image[None]])[0].numpy().copy() for image in images]))


if __name__ == "__main__":
    run(*sys.argv[1:])
