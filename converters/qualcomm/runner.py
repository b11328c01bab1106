"""Runs images in the emulator, in as many processes as there are cores for."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from converters.contract import Runner
from converters.qualcomm.emulator import Emulator

if TYPE_CHECKING:
    import numpy as np

PROCESSES = 2
"""The most that emulate one file at once: the emulator computes on one core, and takes 0.1 GB."""


class EmulatedRunner:
    """Several runners of one file, each of which has an emulator: float32 images (B, 3, H, W) -> float32 outputs (B, ...). Where one fails,
    or Ctrl-C comes, all emulators are ended.
    """

    def __init__(self, open_one: Callable[[], Emulator], runner: Callable[[Emulator], Runner]) -> None:
        self._emulators = [open_one() for _ in range(min(PROCESSES, os.cpu_count() or 1))]
        self._runners = [runner(emulator) for emulator in self._emulators]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        import numpy as np

        parts = [part for part in np.array_split(images, len(self._runners)) if len(part)]
        with ThreadPoolExecutor(len(self._runners)) as pool:
            try:
                return np.concatenate(list(pool.map(lambda runner, part: runner(part), self._runners, parts)))
            except (
                BaseException
            ):  # the pool waits for its threads, and they for their emulators: an image may take minutes
                for emulator in self._emulators:
                    emulator.end()
                raise
