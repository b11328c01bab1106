"""Bicubic upsampling as a product with constants."""

from __future__ import annotations

import pytest
import torch

from evit_mobile.models.mit import BicubicUpsample
from evit_mobile.rewrites import rewrite
from evit_mobile.rewrites.upsampling import MatrixUpsample
from tests.evit_mobile.rewrites.rewritten import (
    model_and_probe,
    operations,
)


def test_upsampling_is_a_product_with_constants() -> None:
    rewritten, probe = (
        rewrite(*model_and_probe("efficientvit_seg_b0_cityscapes", (64, 96)))[0],
        torch.zeros(1, 3, 64, 96),
    )
    assert not any(isinstance(module, BicubicUpsample) for module in rewritten.modules())
    assert not any("upsample" in operation or "interpolate" in operation for operation in operations(rewritten, probe))


@pytest.mark.parametrize("factor", [2, 4])
def test_upsampling_is_torchs(factor: int) -> None:
    x = torch.randn(2, 5, 3, 7, generator=torch.Generator().manual_seed(0))
    expected = BicubicUpsample(factor)(x)
    assert torch.allclose(MatrixUpsample(factor, 3, 7)(x), expected, atol=1e-5)
    assert not torch.allclose(MatrixUpsample(factor, 3, 7)(x.flip(2)), expected, atol=1e-2)
