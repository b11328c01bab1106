"""What coremltools itself computes of constants, for tests of the evaluator's kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from converters.coreml import toolchain

few = settings(deadline=None, max_examples=15)

SEEDS = st.integers(0, 2**16)


def draw(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape, scale=3).astype(np.float32)


@contextmanager
def opset(ios: int) -> Iterator[Any]:
    """coremltools' Builder inside a function for that release."""
    ct, mil = toolchain.load(), toolchain.load("coremltools.converters.mil.mil")
    unused = mil.Builder.placeholder(shape=(1,), dtype=mil.types.fp32, name="unused")
    with mil.Function({"unused": unused}, opset_version=ct.target[f"iOS{ios}"]):
        yield mil.Builder


def inferred(kind: str, *, ios: int = 18, **inputs: Any) -> Any:
    """What coremltools computes when every input of the operation is constant."""
    with opset(ios) as builder:
        out = getattr(builder, kind)(**inputs)
        if isinstance(out, (list, tuple)):
            return [part.val for part in out]
        return out.op.materialized_val_inference() if out.val is None else out.val


def sub_byte(name: str) -> Any:
    """coremltools' NumPy type for integers of less than a byte."""
    types = toolchain.load("coremltools.converters.mil.mil.types")
    return types.nptype_from_builtin(types.string_to_builtin(name))
