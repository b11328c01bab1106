"""Bicubic upsampling as two matrix products (segmentation heads).

Interpolation is linear in the image and separable: out = R x C^T, with R (factor*H, H) for the rows and C (factor*W, W) for
the columns. No phone runtime has the bicubic kernel of PyTorch; all of them multiply matrices. Both factors are constants
once the size of the feature map is known. Shapes: B batch, C channels, H x W grid.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evit_mobile.models.mit import BicubicUpsample
from evit_mobile.rewrites.surgery import captured_inputs, replace_modules


def rewrite_upsampling(model: nn.Module, probe: Tensor) -> int:
    """Replaces every BicubicUpsample in place; returns how many."""
    inputs = captured_inputs(model, BicubicUpsample, probe)
    return replace_modules(
        model, BicubicUpsample, lambda upsample: MatrixUpsample(upsample.factor, *inputs[upsample].shape[2:])
    )


class MatrixUpsample(nn.Module):
    """(B, C, H, W) -> (B, C, factor*H, factor*W)."""

    def __init__(self, factor: int, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", interpolation_matrix(height, factor))
        self.register_buffer("columns", interpolation_matrix(width, factor).T.contiguous())

    rows: Tensor
    columns: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return self.rows @ (x @ self.columns)  # (fH, H) @ ((B, C, H, W) @ (W, fW))


def interpolation_matrix(length: int, factor: int) -> Tensor:
    """(factor*length, length) whose product with a column interpolates it: the interpolation of the unit vectors."""
    unit = torch.eye(length).view(1, 1, length, length)
    return F.interpolate(unit, size=(factor * length, length), mode="bicubic", align_corners=False)[0, 0]
