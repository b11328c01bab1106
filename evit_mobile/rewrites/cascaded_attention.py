"""Cascaded group attention in a static form (M variants).

- q, k and v are separate convolutions, so nothing is sliced at run time;
- the factor 1/sqrt(K) is folded into the depthwise convolution on q;
- the relative position bias of each head is one constant (1, N, N);
- the ReLU before the projection is applied to each head's output before they are concatenated: the cascade
  needs the signed value and the projection the rectified one, and a rectified tensor quantizes with twice the resolution.

Shapes as in models/msra.py: B batch, C channels, N = H*W tokens, K key width, V value width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evit_mobile.errors import RewriteError
from evit_mobile.models.msra import CascadedGroupAttention
from evit_mobile.rewrites.convolutions import convolution_like, select_outputs
from evit_mobile.rewrites.surgery import replace_modules


def rewrite_cascaded_attention(model: nn.Module, _probe: Tensor) -> int:
    """Replaces every CascadedGroupAttention in place; returns how many. Needs folded batch norms."""
    return replace_modules(model, CascadedGroupAttention, StaticCascadedAttention)


class StaticHead(nn.Module):
    """One head: (B, C / heads, H, W) -> (B, V, H, W)."""

    bias: Tensor

    def __init__(self, attention: CascadedGroupAttention, head: int) -> None:
        super().__init__()
        qkv, depthwise = attention.qkvs[head], attention.dws[head]
        if not (isinstance(qkv, nn.Conv2d) and isinstance(depthwise, nn.Conv2d)):
            raise RewriteError(
                got="cascaded attention with batch norm", allowed="folded convolutions", do="run fold_batch_norm first"
            )
        key_dim, value_dim = attention.key_dim, attention.value_dim
        channels = torch.arange(2 * key_dim + value_dim)
        query, key, value = channels[:key_dim], channels[key_dim : 2 * key_dim], channels[2 * key_dim :]
        self.query = select_outputs(qkv, query, 1)
        self.key = select_outputs(qkv, key, 1)
        self.value = select_outputs(qkv, value, 1)
        assert depthwise.bias is not None
        scale = key_dim**-0.5
        self.query_depthwise = convolution_like(
            depthwise, depthwise.weight * scale, depthwise.bias * scale, depthwise.groups
        )
        bias = attention.attention_biases.detach()[head][attention.attention_bias_idxs]
        self.register_buffer("bias", bias[None].clone())

    def forward(self, x: Tensor) -> Tensor:
        q = self.query_depthwise(self.query(x)).flatten(2)  # (B, K, N)
        k = self.key(x).flatten(2)  # (B, K, N)
        v = self.value(x)  # (B, V, H, W)
        weights = (self.scores(q, k) + self.bias).softmax(dim=-1)  # (B, N, N)
        out: Tensor = v.flatten(2) @ weights.transpose(1, 2)  # (B, V, N)
        return out.view(v.shape)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """q, k, each (B, K, N) -> (B, N, N)."""
        return q.transpose(1, 2) @ k


class StaticCascadedAttention(nn.Module):
    """All heads and the projection: (B, C, H, W) -> (B, C, H, W) with H = W = `resolution`."""

    def __init__(self, attention: CascadedGroupAttention) -> None:
        super().__init__()
        self.resolution = attention.resolution
        self.heads = nn.ModuleList(StaticHead(attention, head) for head in range(attention.num_heads))
        self.proj = attention.proj[1]

    def forward(self, x: Tensor) -> Tensor:
        width = x.shape[1] // len(self.heads)
        rectified: list[Tensor] = []
        previous: Tensor | None = None
        for index, head in enumerate(self.heads):
            feature = x[:, index * width : (index + 1) * width]
            previous = head(feature if previous is None else feature + previous)
            rectified.append(torch.relu(previous))
        out: Tensor = self.proj(torch.cat(rectified, dim=1))
        return out
