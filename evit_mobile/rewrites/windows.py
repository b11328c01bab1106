"""Window partition by slices and concatenations on the batch axis (M variants).

The reference views the grid as six dimensions and permutes them; phone runtimes take at most four or five and pay for every
transpose. A slice per window and two levels of concatenation move the same data once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evit_mobile.models.msra import LocalWindowAttention
from evit_mobile.rewrites.surgery import replace_modules


def rewrite_windows(model: nn.Module, _probe: Tensor) -> int:
    """Replaces every LocalWindowAttention in place; returns how many."""
    return replace_modules(model, LocalWindowAttention, SlicedWindowAttention)


class SlicedWindowAttention(nn.Module):
    """Attention inside windows of `attn.resolution` cells: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, mixer: LocalWindowAttention) -> None:
        super().__init__()
        self.attn = mixer.attn
        self.window = mixer.attn.resolution

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        side = self.window
        if (height, width) == (side, side):
            out: Tensor = self.attn(x)
            return out
        rows, columns = -(-height // side), -(-width // side)
        bottom, right = rows * side - height, columns * side - width
        if bottom or right:
            x = F.pad(x, (0, right, 0, bottom))
        windows = torch.cat([torch.cat(_tiles(strip, 3, side), dim=0) for strip in _tiles(x, 2, side)], dim=0)
        windows = self.attn(windows)
        count = x.shape[0]
        strips = [torch.cat(_tiles(strip, 0, count), dim=3) for strip in _tiles(windows, 0, count * columns)]
        x = torch.cat(strips, dim=2)
        return x[:, :, :height, :width] if bottom or right else x


def _tiles(x: Tensor, dim: int, length: int) -> list[Tensor]:
    """Consecutive slices of `length` along `dim`."""
    before = (slice(None),) * dim
    return [x[*before, start : start + length] for start in range(0, x.shape[dim], length)]
