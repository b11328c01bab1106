"""The Core ML evaluator, which runs a package's own operations on Linux, beside the PyTorch model as it is, in turns on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.cost.usage import Usage

IMAGES = 16
"""In a turn, one after the other."""


def evaluator_turns(model: str, rounds: int, folder: Path) -> tuple[tuple[Usage, ...], tuple[Usage, ...]]:
    """(evaluator, PyTorch): what the images of each round took, of `model` in int8, which is written into `folder` unless it is there.
    To be run in a process of its own.
    """
    import torch

    from converters.contract import Precision
    from converters.coreml.runtime import load
    from evit_mobile.commands.convert import convert
    from evit_mobile.images.data import held_out_images, preprocess_for
    from evit_mobile.reference import load_reference

    package = folder / f"{model}.int8.mlpackage"
    if not package.exists():
        convert(model, precision=Precision.INT8, formats=("coreml",), out=str(folder))
    reference = load_reference(model)
    images = held_out_images(None, None, preprocess_for(reference.spec, bundled=True), 0, IMAGES)
    batches = list(images.batches(1))
    run = load(package, evaluated=True)
    torch.set_num_threads(1)

    def evaluate() -> None:
        for batch in batches:
            run(batch)

    def eager() -> None:
        with torch.no_grad():
            for batch in batches:
                reference.module(torch.from_numpy(batch))

    pairs = [(used_in(evaluate), used_in(eager)) for _ in range(rounds + 1)][1:]  # the first one warms up
    ours, theirs = zip(*pairs, strict=True)
    return ours, theirs


def used_in(turn: Callable[[], None]) -> Usage:
    """What a turn took of this process."""
    wall, processor = time.perf_counter(), time.process_time()
    turn()
    return Usage(cpu_s=time.process_time() - processor, wall_s=time.perf_counter() - wall)
