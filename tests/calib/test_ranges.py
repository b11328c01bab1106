"""Scales and zero points, and the searches for the range, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from calib.errors import DataError
from calib.observers import EntropyObserver, MSEObserver
from calib.ranges import QMAX, QMIN, affine_parameters

BOUNDS = st.floats(-1e30, 1e30)


def quantized(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scale, zero_point = affine_parameters(low, high)
    return scale * (np.clip(np.rint(values / scale) + zero_point, QMIN, QMAX) - zero_point)


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    return float(np.square(quantized(values.astype(np.float64), low, high) - values).sum())


@given(first=BOUNDS, second=BOUNDS, symmetric=st.booleans())
def test_affine_parameters_keep_their_promises(first: float, second: float, symmetric: bool) -> None:
    low, high = min(first, second), max(first, second)
    scale, zero_point = affine_parameters(low, high, symmetric)
    assert scale == float(np.float32(scale)) > 0
    assert QMIN <= zero_point <= QMAX
    assert isinstance(zero_point, int)
    assert not symmetric or zero_point == 0
    assume(max(abs(low), abs(high)) > 1e-30)
    reachable = (scale * (QMIN - zero_point), scale * (QMAX - zero_point))
    slack = 0.501 * scale  # the zero point is rounded, the scale too
    assert reachable[0] <= min(low, 0) + slack
    assert reachable[1] >= max(high, 0) - slack
    if not symmetric:
        assert reachable[1] - reachable[0] == pytest.approx(max(high, 0) - min(low, 0), rel=1e-6)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((0.0, 255.0), (1.0, -128)),
        ((-255.0, 0.0), (1.0, 127)),
        ((-128.0, 127.0), (1.0, 0)),
        ((2.0, 255.0), (1.0, -128)),  # widened to zero
        ((-255.0, -3.0), (1.0, 127)),
        ((0.0, 0.0), (1.0, 0)),
    ],
)
def test_affine_parameters_by_hand(bounds: tuple[float, float], expected: tuple[float, int]) -> None:
    assert affine_parameters(*bounds) == expected


def test_16_bits_by_hand() -> None:
    assert affine_parameters(0.0, 65535.0, bits=16) == (1.0, -32768)
    assert affine_parameters(-32768.0, 32767.0, bits=16) == (1.0, 0)
    assert affine_parameters(-1.0, 32767.0, symmetric=True, bits=16) == (1.0, 0)


def test_symmetric_by_hand() -> None:
    assert affine_parameters(-3.0, 127.0, symmetric=True) == (1.0, 0)


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_no_range_is_an_error(bounds: tuple[float, float]) -> None:
    with pytest.raises(DataError):
        affine_parameters(*bounds)


DISTRIBUTIONS = {
    "normal": lambda rng: rng.standard_normal(12_000),
    "heavy tails": lambda rng: rng.standard_t(3, 12_000),
    "relu": lambda rng: np.maximum(rng.standard_t(4, 12_000), 0),
    "skewed": lambda rng: rng.gamma(1.5, size=12_000) - 0.4,
    "negative": lambda rng: -rng.exponential(size=12_000),
    "few": lambda rng: np.repeat(rng.standard_normal(6), 3),
    "constant": lambda _: np.full(50, 2.5),
    "zeros": lambda _: np.zeros(50),
}


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_mse_range_is_nearly_the_best_of_a_grid(kind: str) -> None:
    values = DISTRIBUTIONS[kind](np.random.default_rng(3)).astype(np.float32)
    observer = MSEObserver()
    observer.observe(values)
    low, high = observer.range()
    found = squared_error(values, low, high)
    widest = (min(float(values.min()), 0), max(float(values.max()), 0))
    fractions = np.linspace(0.05, 1, 25)
    grid = [squared_error(values, widest[0] * down, widest[1] * up) for down in fractions for up in fractions]
    assert found <= 1.05 * min(grid) + 1e-6 * len(values) * max(widest[1], -widest[0]) ** 2
    assert widest[0] - 1e-6 <= low
    assert high <= widest[1] + 1e-6


def test_mse_gains_over_min_max_where_an_outlier_is_rare() -> None:
    parts = np.random.default_rng(3).standard_normal((125, 16_000), np.float32)
    parts[64, 17] = 20.0
    observer = MSEObserver()
    for part in parts:
        observer.observe(part)
    assert squared_error(parts, *observer.range()) < 0.5 * squared_error(parts, *observer.extremes())


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_entropy_range_lies_inside(kind: str) -> None:
    values = DISTRIBUTIONS[kind](np.random.default_rng(3)).astype(np.float32)
    observer = EntropyObserver()
    observer.observe(values)
    low, high = observer.range()
    assert min(float(values.min()), 0) <= low <= 0 <= high <= max(float(values.max()), 0)
