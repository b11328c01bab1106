"""Scales of a plan are numbers that every format has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evit_mobile.quantization.plan import HALF_TOLERANCE, half_scale, weight_scales


@given(st.floats(6.2e-5, 6e4))
def test_a_usual_scale_is_the_next_fp16_number(scale: float) -> None:
    half = half_scale(scale)
    assert float(np.float16(half)) == half
    assert scale <= half <= scale * (1 + 2**-10)


@pytest.mark.parametrize("scale", [1e-8, 1e-12, 1e5, 65504.5])
def test_a_scale_that_fp16_has_not_nearly_stays(scale: float) -> None:
    assert half_scale(scale) == scale


@given(st.floats(1e-12, 1e6))
def test_no_scale_changes_by_more_than_the_tolerance_or_clips(scale: float) -> None:
    assert scale <= half_scale(scale) <= scale * (1 + HALF_TOLERANCE)


def test_weight_scales_cover_the_largest_weight() -> None:
    weight = torch.tensor([[0.3, -0.7], [1e-7, 0.0], [0.0, 0.0]])
    scales = weight_scales(weight)
    assert 0.7 / 127 <= scales[0] == float(np.float16(scales[0]))
    assert scales[1] == pytest.approx(1e-7 / 127)
    assert scales[2] == 1
