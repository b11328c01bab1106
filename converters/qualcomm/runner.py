"""Runs images in the emulator, in as many processes as there are cores for, each on a core of its own."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from converters.contract import Runner
from converters.qualcomm.emulator import Emulator

if TYPE_CHECKING:
    import numpy as np

PROCESSES = 2
"""The most that emulate one file at once: an emulator takes 0.2 GB. Its dozen threads hand one thing on, and wait for it by yielding, which
takes time from whatever else computes: on one core they are as fast, and in nobody's way.
"""


class EmulatedRunner:
    """Several runners of one file, each of which has an emulator: float32 images (B, 3, H, W) -> float32 outputs (B, ...). Where one fails,
    or Ctrl-C comes, all emulators are ended.
    """

    def __init__(self, open_one: Callable[[int], Emulator], runner: Callable[[Emulator], Runner]) -> None:
        """`open_one` opens an emulator on the core of that number."""
        cores = sorted(os.sched_getaffinity(0))
        chosen = random.sample(cores, min(PROCESSES, len(cores)))  # not the same ones as another conversion's
        self._emulators = [open_one(core) for core in chosen]
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
