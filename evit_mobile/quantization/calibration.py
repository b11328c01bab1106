"""From calibration images to observations, by way of the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.export import ExportedProgram

from calib.cache import ObserverCache, cache_folder
from calib.methods import Method
from converters.contract import Precision
from evit_mobile.images.data import Images
from evit_mobile.quantization.observe import Observations, observation_key, observe
from evit_mobile.quantization.plan import candidates

REPORTS = 8
"""How often progress is reported, at most."""


def calibrate(
    program: ExportedProgram,
    images: Images,
    *,
    profile: Precision = Precision.INT8,
    method: Method = Method.MSE,
    cached: bool = True,
    report: Callable[[str], None],
) -> Observations:
    """What every tensor of `program` that may become int8 in `profile` looks like on `images`. One pass, whatever the targets.

    Unless `cached` is false, an earlier calibration of the same model, images and code is taken from the cache, and an
    interrupted one goes on. Raises DataError.
    """
    names = candidates(program, profile)
    cache, told = None, 0
    if cached and names:
        key = observation_key(program, names, images.digest, method)
        cache = ObserverCache(folder=cache_folder("evit-mobile") / "calibration", key=key)

    def tensors(start: int) -> Iterator[Tensor]:
        taken = f", {start} of them from the cache" if start else ""
        report(f"calibrating on {len(images)} images{taken}")
        return (torch.from_numpy(batch) for batch in images.batches(1, start))

    def progress(done: int) -> None:
        nonlocal told
        if (part := done * REPORTS // len(images)) > told:
            told = part
            report(f"calibrating: {done} of {len(images)} images")

    return observe(program, names, tensors, method, cache=cache, progress=progress)
