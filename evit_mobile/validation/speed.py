"""Whether int8 pays on the machine at hand: an artefact timed against its fp32 twin on the CPU, in turns."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.export import ExportedProgram

from converters.contract import Metadata, Precision, Runner, Target
from evit_mobile.findings import Speed
from evit_mobile.progress import Report, silent
from evit_mobile.statistics import ratio

ROUNDS = 15
BLOCK_S = 0.02
"""A round times each file for as long as this, or for one run where that takes longer."""


def against_fp32(
    target: Target, path: Path, program: ExportedProgram, image: NDArray[np.float32], report: Report = silent
) -> Speed | None:
    """How fast the artefact `path` is on `image` (1, 3, H, W) against what `target` makes of `program`, the same model in float.

    None where no runtime of a phone runs it here, but an evaluator. Raises ArtefactError, ToolchainError.
    """
    if target.evaluated:
        return None
    report(f"timing {path.name} against fp32")
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / f"twin{target.suffix}"
        target.lower(program, Precision.FP32, twin, Metadata(description="the fp32 twin"))
        runners = target.load(path), target.load(twin)
        return compare(*runners, image)


def compare(quantized: Runner, plain: Runner, image: NDArray[np.float32]) -> Speed:
    """Times both in turns."""
    runs = [runs_per_block(runner, image) for runner in (quantized, plain)]
    rounds = [[block_ms(*each, image) for each in zip((quantized, plain), runs, strict=True)] for _ in range(ROUNDS)]
    ours, theirs = zip(*rounds, strict=True)
    return Speed(ms=float(np.median(ours)), fp32_ms=float(np.median(theirs)), ratio=ratio(ours, theirs))


def runs_per_block(runner: Runner, image: NDArray[np.float32]) -> int:
    """How many runs fill a block; the first run, which also allocates, does not count."""
    runner(image)
    return max(1, round(1e3 * BLOCK_S / block_ms(runner, 1, image)))


def block_ms(runner: Runner, runs: int, image: NDArray[np.float32]) -> float:
    """Mean time of a run, in ms."""
    start = time.perf_counter()
    for _ in range(runs):
        runner(image)
    return 1e3 * (time.perf_counter() - start) / runs
