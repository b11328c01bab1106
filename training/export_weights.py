"""Writes a training state's averaged weights as the fp16 safetensors file that the package ships.

python training/export_weights.py build/training/efficientvit_m0.training.pt
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

WEIGHTS = Path(__file__).parent.parent / "evit_mobile" / "weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path)
    state = parser.parse_args().state
    average = torch.load(state, weights_only=True)["average"]
    name = state.name.removesuffix(".training.pt")
    tensors = {
        key: value.half().contiguous() if value.is_floating_point() else value.contiguous()
        for key, value in average.items()
        if not key.endswith("num_batches_tracked")
    }
    WEIGHTS.mkdir(exist_ok=True)
    metadata = {"model": name, "data": "Fashion-MNIST", "license": "Apache-2.0"}
    save_file(tensors, WEIGHTS / f"{name}.fashion_mnist.safetensors", metadata=metadata)


if __name__ == "__main__":
    main()
