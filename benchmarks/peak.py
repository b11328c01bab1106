"""What the machine can do at most: large 1x1 convolutions, which are matrix products, in LiteRT, by our own converter."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.candidates import Candidate, Origin, Runtime
from converters.contract import Precision

CHANNELS, SIDE, LAYERS, COLOURS = 512, 14, 6, 3
MODEL = "peak"

MACS = SIDE**2 * (LAYERS * CHANNELS**2 + 2 * CHANNELS * COLOURS)
"""Of one run. Input and output are narrow, so that converting them between float and int8 costs next to nothing. A run is about as long
as those it is compared with; other widths (256 to 1024), sides (7 to 28) and depths (3 to 12) were within 5 % and not faster."""


def write_peak(folder: Path) -> list[Candidate]:
    """The two files, fp32 and int8, with random weights."""
    import torch
    from torch import nn

    from converters.contract import Metadata
    from converters.quantized_program import quantize_program
    from converters.registry import find_target
    from evit_mobile.prepare.forms import export
    from evit_mobile.quantization import make_plan

    torch.manual_seed(0)
    widths = (COLOURS, *(CHANNELS,) * (LAYERS + 1), COLOURS)
    layers = [nn.Conv2d(before, after, 1) for before, after in pairwise(widths)]
    image = torch.randn(1, COLOURS, SIDE, SIDE)
    program = export(nn.Sequential(*layers).eval().requires_grad_(False), (SIDE, SIDE))
    quantized = quantize_program(program, make_plan(program, [image]))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", image.numpy())
    candidates = []
    for precision, lowered in ((Precision.FP32, program), (Precision.INT8, quantized)):
        path = folder / f"{precision}.tflite"
        find_target("tflite").lower(lowered, precision, path, Metadata(description="large matrix products"))
        candidates.append(
            Candidate(
                model=MODEL,
                runtime=Runtime.LITERT,
                origin=Origin.OURS,
                precision=precision,
                path=path,
                bytes=path.stat().st_size,
            )
        )
    return candidates
