"""How far variants are from the reference on the CPU and on LiteRT's GPU accelerator in fp16: the figures of docs/gpu.md.

    scripts/gpu/prepare.sh .tools/gpu
    python scripts/gpu/variants.py [--models efficientvit_m0 ...] [--precisions int8 ...] [--weights bundled --size 224 --images 256]
    python scripts/gpu/variants.py --table

Each file is written as `convert` writes it, and run by LiteRT with XNNPACK and by the judge `gpu`, on held-out images of the bundled test
set. Random weights have random norms as well. A figure is added to benchmarks/results/gpu/variants.json when it is there; figures of
other images, or of files that have not been measured, are what a further call measures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from converters.contract import Metadata, Precision
from converters.errors import ConverterError
from converters.files import atomic_path
from converters.registry import find_target
from converters.software_driver import HOW, find_driver
from converters.tflite.judges import GpuInSoftware
from evit_mobile.images.data import calibration_images, held_out_images
from evit_mobile.metrics import compare
from evit_mobile.prepare.lowerable import Preparation, lowered_by
from evit_mobile.prepare.preparation import prepare
from evit_mobile.reference import load_reference
from evit_mobile.validation.verdict import AGREEMENTS

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "gpu" / "variants.json"
PRECISIONS = ("fp32", "fp16", "int8", "int8-weights", "int8-full")
VARIANTS = (
    *(f"efficientvit_{name}" for name in ("m0", "b0", "m1", "m2", "m3", "m4", "m5", "b1")),
    "efficientvit_seg_b0_cityscapes",
    *(f"efficientvit_{name}" for name in ("b2", "l0", "b3", "l1", "l2", "l3")),
)
"""Smallest first."""

NOT_RUN = "not run"

CALIBRATED = {"random": 32, "bundled": 256}
"""Images that calibrate: as many as `convert` takes where the weights mean something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which file is measured, at `size` x `size` pixels, with how many images."""

    model: str
    precision: str
    weights: str
    size: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """SQNR in dB against the reference and agreement with its classes (none of features); `fault` says why there is none on the GPU."""

    cpu_db: float
    cpu_agreement: float | None
    gpu_db: float | None
    gpu_agreement: float | None
    runtime: str
    fault: str | None
    measured: str


def measure(asked: Asked) -> Figure:
    """Writes the file and runs it on both. Raises what conversion raises."""
    target, on_gpu = find_target("tflite"), GpuInSoftware()
    reference = load_reference(asked.model, weights=asked.weights, size=(asked.size, asked.size))
    preprocess = reference.preprocessing.preprocess
    calibration = calibration_images(None, preprocess, 0, CALIBRATED[asked.weights])
    held_out = held_out_images(None, calibration, preprocess, 0, asked.images)
    precision = Precision(asked.precision)
    preparation = Preparation(
        reference=reference, calibration=calibration, held_out=held_out, precision=precision, targets=[target]
    )
    prepared = lowered_by(target, precision, prepare(preparation, lambda line: print(f"  {line}", flush=True)))
    agreement, expected = AGREEMENTS[reference.spec.task], prepared.stages[0][1]
    images = np.concatenate(list(held_out.batches()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{asked.model}.{asked.precision}.tflite"
        target.lower(prepared.program, precision, path, Metadata(description="a measurement"))
        on_cpu = compare(target.load(path)(images), expected, agreement)
        fault = found = None
        try:
            found = compare(on_gpu.load(path)(images), expected, agreement)
        except ConverterError as error:
            fault = str(error)
    return Figure(
        cpu_db=round(on_cpu.sqnr_db, 1),
        cpu_agreement=on_cpu.top1_agreement,
        gpu_db=round(found.sqnr_db, 1) if found is not None and np.isfinite(found.sqnr_db) else None,
        gpu_agreement=None if found is None else found.top1_agreement,
        runtime=on_gpu.runtime,
        fault=fault or (None if found is None or np.isfinite(found.sqnr_db) else "not finite"),
        measured=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def read() -> dict[Asked, Figure]:
    """What has been measured."""
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return {Asked(**row["of"]): Figure(**row["figure"]) for row in rows}


def write(figures: dict[Asked, Figure]) -> None:
    rows = [{"of": asdict(asked), "figure": asdict(figure)} for asked, figure in figures.items()]
    with atomic_path(RESULTS) as path:
        path.write_text(json.dumps(rows, indent=1) + "\n")


def table(figures: dict[Asked, Figure], models: Sequence[str]) -> Iterator[str]:
    """The lines of docs/gpu.md about random weights: dB on the CPU / on the accelerator, and the cells without a figure."""
    rows = {name: {precision: cell(figures, name, precision) for precision in PRECISIONS} for name in models}
    yield "| variant | " + " | ".join(PRECISIONS) + " |"
    yield "|---" * (len(PRECISIONS) + 1) + "|"
    for name, cells in rows.items():
        yield f"| {short(name)} | " + " | ".join(cells.values()) + " |"
    missing = [
        f"{short(name)} {precision}"
        for name, cells in rows.items()
        for precision, text in cells.items()
        if text == NOT_RUN
    ]
    yield ""
    yield f"Not run: {', '.join(missing) or 'none'}."


def short(model: str) -> str:
    return model.removeprefix("efficientvit_")


def cell(figures: dict[Asked, Figure], model: str, precision: str) -> str:
    found = [
        figure
        for asked, figure in figures.items()
        if (asked.model, asked.precision, asked.weights) == (model, precision, "random")
    ]
    if not found:
        return NOT_RUN
    on_gpu = found[0].fault if found[0].gpu_db is None else f"{found[0].gpu_db:.1f}"
    return f"{found[0].cpu_db:.1f} / {on_gpu}"


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", default=VARIANTS)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    parser.add_argument("--weights", default="random", choices=sorted(CALIBRATED))
    parser.add_argument("--size", type=int, default=96, help="height and width in pixels")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--table", action="store_true", help="print what has been measured with random weights")
    given = parser.parse_args()
    figures = read()
    if given.table:
        print("\n".join(table(figures, VARIANTS)))
        return 0
    if find_driver() is None:
        print(HOW, file=sys.stderr)
        return 3
    for model in given.models:
        for precision in given.precisions:
            asked = Asked(model=model, precision=precision, weights=given.weights, size=given.size, images=given.images)
            if asked not in figures:
                print(asked, flush=True)
                figure = measure(asked)
                figures = {**read(), asked: figure}  # another call may have added some
                write(figures)
                print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
