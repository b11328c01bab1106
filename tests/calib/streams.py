"""Streams of values, and an observer that has seen some."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calib.observers import HistogramObserver

ELEMENTS = st.floats(-1e6, 1e6, width=32).map(lambda value: value if abs(value) > 1e-25 else 0.0)
STREAMS = st.lists(hnp.arrays(np.float32, st.integers(1, 40), elements=ELEMENTS), min_size=1, max_size=6)


def watched(observer: HistogramObserver, *tensors: np.ndarray) -> HistogramObserver:
    for tensor in tensors:
        observer.observe(tensor)
    return observer


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)
