"""Cascaded group attention without softmax: ReLU linear attention and a depthwise convolution of the values.

A variation of Microsoft's models (models/msra.py), not in their paper. Each head's softmax(q k^T + bias) v becomes
Katharopoulos et al., arXiv 2006.16236, eq. 4-6, with ReLU as the feature map, as in MIT's EfficientViT (arXiv 2205.14756, eq. 2).
Linear attention has no scores that a position bias could be added to, and attends less locally than softmax; a depthwise
convolution of v, added to each head's output, stands in for both: Han et al., FLatten Transformer, arXiv 2308.00442, eq. 7.

Shapes as in models/msra.py: B batch (times windows), N = H*W tokens, K key width, V value width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evit_mobile.models.msra import CascadedGroupAttention

EPS = 1e-5
"""Added to the divisor, as in timm's port of MIT's attention."""
LOCAL_KERNEL = 5
"""Side of the depthwise convolution of v, in cells, as in FLatten Transformer."""


class ReluCascadedAttention(nn.Module):
    """All heads and the projection: (B, C, H, W) -> (B, C, H, W), H and W of any size."""

    def __init__(self, attention: CascadedGroupAttention) -> None:
        """Takes over the layers of `attention` but its position biases. The convolutions of v start at zero."""
        super().__init__()
        self.num_heads = attention.num_heads
        self.key_dim = attention.key_dim
        self.value_dim = attention.value_dim
        self.resolution = attention.resolution
        self.qkvs, self.dws, self.proj = attention.qkvs, attention.dws, attention.proj
        self.locals = nn.ModuleList(local_convolution(self.value_dim) for _ in range(self.num_heads))

    def forward(self, x: Tensor) -> Tensor:
        slices = x.chunk(self.num_heads, dim=1)
        outputs: list[Tensor] = []
        for head, (qkv, dws, local) in enumerate(zip(self.qkvs, self.dws, self.locals, strict=True)):
            feature = slices[head] if head == 0 else slices[head] + outputs[-1]
            q, k, v = qkv(feature).split([self.key_dim, self.key_dim, self.value_dim], dim=1)
            q, k = torch.relu(dws(q)).flatten(2), torch.relu(k).flatten(2)  # (B, K, N)
            numerator = (v.flatten(2) @ k.transpose(1, 2)) @ q  # (B, V, N)
            denominator = k.sum(2, keepdim=True).transpose(1, 2) @ q  # (B, 1, N)
            outputs.append((numerator / (denominator + EPS)).view(v.shape) + local(v))
        out: Tensor = self.proj(torch.cat(outputs, dim=1))
        return out


def local_convolution(channels: int) -> nn.Conv2d:
    """Depthwise convolution of zeros: (B, V, H, W) -> (B, V, H, W)."""
    local = nn.Conv2d(channels, channels, LOCAL_KERNEL, padding=LOCAL_KERNEL // 2, groups=channels)
    nn.init.zeros_(local.weight)
    assert local.bias is not None
    nn.init.zeros_(local.bias)
    return local
