"""A small comparison to test with: one model, four files and one failure, times in round numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import peak
from benchmarks.candidates import Candidate, Origin, Runtime
from benchmarks.composition import Truth, peaks, result
from benchmarks.description import Description
from benchmarks.machine import Machine
from benchmarks.measurement import Measured, Turn
from benchmarks.results import Comparison
from converters.contract import Precision

MODEL = "efficientvit_m0"
MACS = 10 * peak.MACS
DRIFT = (1.0, 2.0, 1.5)
"""How much slower everything was in each round."""


def candidate(
    runtime: Runtime, origin: Origin, precision: Precision, *, model: str = MODEL, error: str | None = None
) -> Candidate:
    return Candidate(
        model=model,
        runtime=runtime,
        origin=origin,
        precision=precision,
        path=None if error else Path("file"),
        bytes=2_500_000,
        convert_s=None if error else 9.0,
        convert_cpu_s=None if error else 8.0,
        error=error,
    )


STOCK = candidate(Runtime.LITERT, Origin.STOCK, Precision.FP32)
LEAD = candidate(Runtime.LITERT, Origin.OURS, Precision.INT8)
ONNX = candidate(Runtime.ONNXRUNTIME, Origin.STOCK, Precision.INT8)
FASTER = candidate(Runtime.NCNN, Origin.STOCK, Precision.FP32)
BROKEN = candidate(Runtime.EXECUTORCH, Origin.STOCK, Precision.INT8, error="RuntimeError: error 0x1")
PEAK = candidate(Runtime.LITERT, Origin.OURS, Precision.INT8, model=peak.MODEL)
CANDIDATES = (STOCK, LEAD, ONNX, FASTER, BROKEN, PEAK)
MS = {STOCK.name: 2.0, LEAD.name: 1.0, ONNX.name: 2.5, FASTER.name: 0.5, PEAK.name: 0.05}
LOGITS = np.array([[0.0, 1.0], [3.0, 0.0]], np.float32)
TRUTH = Truth(logits=LOGITS, labels=np.array([1, 1]))


def measured(*, wall_factor: float = 3.0) -> dict[str, Measured]:
    """Turns in which everything drifts alike and the wall time is `wall_factor` times the processor time."""
    return {
        name: Measured(
            turns=tuple(Turn(cpu_s=ms * drift / 1e3, wall_s=wall_factor * ms * drift / 1e3) for drift in DRIFT),
            logits=LOGITS,
        )
        for name, ms in MS.items()
    }


def comparison(*, wall_factor: float = 3.0) -> Comparison:
    by_threads = {1: measured(wall_factor=wall_factor), 2: measured(wall_factor=0.6)}
    return Comparison(
        title=MODEL,
        date="2026-01-02 03:04",
        machine=Machine(cpu="A Processor", cores=2, features=("avx2",), system="Linux", python="3.11", load=0.5),
        versions={"torch": "2.13.0", "ncnn": "absent"},
        rounds=len(DRIFT),
        turn_s=0.05,
        images=2,
        models=(
            Description(
                name=MODEL,
                weights="bundled",
                macs=MACS,
                params=2_300_000,
                size=(224, 224),
                classes=2,
                reference_top1=50.0,
            ),
        ),
        peaks=peaks(CANDIDATES, by_threads),
        results=tuple(result(item, CANDIDATES, by_threads, TRUTH, MACS) for item in CANDIDATES[:-1]),
    )
