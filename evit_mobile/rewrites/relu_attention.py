"""ReLU cascaded attention in a static form (the variation relu-attention of the M variants).

As in cascaded_attention.py q, k and v are separate convolutions and the ReLU before the projection is applied to each head's output.
With v scaled by 1/N, S = sum_j v_j k_j^T (V, K) and m = mean_j k_j (K), a head is

    out_i = S q_i / (m . q_i + eps / N) + local(v)_i

Numerator and denominator are one matrix product: m is S's last row. 1/N is folded into the weights of v, N into those of the local
convolution. Attention does not change with the scale of q and k; powers of two bring their peaks on a few images near TYPICAL_PEAK, and
eps with them, so that fp16 keeps their small values (half_relu_attention.py).

Shapes as in models/msra.py: B batch, C channels, N = H*W tokens, K key width, V value width of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from evit_mobile.models.relu_attention import EPS, ReluCascadedAttention
from evit_mobile.rewrites.cascaded_attention import StaticCascadedAttention
from evit_mobile.rewrites.convolutions import select_outputs
from evit_mobile.rewrites.surgery import captured_inputs, replace_modules

TYPICAL_PEAK = 32.0


def rewrite_relu_attention(model: nn.Module, probe: Tensor) -> int:
    """Replaces every ReluCascadedAttention in place; returns how many. Needs folded batch norms."""
    inputs = captured_inputs(model, ReluCascadedAttention, probe)
    return replace_modules(
        model, ReluCascadedAttention, lambda attention: StaticReluAttention(attention, inputs[attention])
    )


class StaticReluAttention(StaticCascadedAttention):
    """All heads and the projection: (B, C, H, W) -> (B, C, H, W) with H = W = `resolution`."""

    def __init__(self, attention: ReluCascadedAttention, sample: Tensor) -> None:
        """The scales of q and k are chosen for inputs like `sample` (B, C, H, W)."""
        nn.Module.__init__(self)
        self.resolution = attention.resolution
        self.heads = nn.ModuleList(StaticReluHead(attention, head) for head in range(attention.num_heads))
        self.proj = attention.proj[1]
        for head, x in captured_inputs(self, StaticReluHead, sample).items():
            assert isinstance(head, StaticReluHead)
            head.balance(x)


class StaticReluHead(nn.Module):
    """One head: (B, C / heads, H, W) -> (B, V, H, W). `eps` (1, 1, 1) is in units of the scaled q times the mean of the scaled k."""

    eps: Tensor

    def __init__(self, attention: ReluCascadedAttention, head: int) -> None:
        super().__init__()
        key_dim, tokens = attention.key_dim, attention.resolution**2
        channels = torch.arange(2 * key_dim + attention.value_dim)
        query, key, value = channels[:key_dim], channels[key_dim : 2 * key_dim], channels[2 * key_dim :]
        self.query, self.key, self.value = (
            select_outputs(attention.qkvs[head], part, 1) for part in (query, key, value)
        )
        self.query_depthwise = select_outputs(attention.dws[head], torch.arange(key_dim), key_dim)
        self.local = select_outputs(attention.locals[head], torch.arange(attention.value_dim), attention.value_dim)
        self.register_buffer("eps", torch.full((1, 1, 1), EPS / tokens))
        scale(self.value, 1 / tokens)
        self.local.weight.mul_(tokens)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.projections(x)
        attended = self.attend(q.flatten(2), k.flatten(2), v.flatten(2))  # (B, V, N)
        out: Tensor = attended.view(v.shape) + self.local(v)
        return out

    def projections(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q and k (B, K, H, W), at least 0, and v (B, V, H, W)."""
        return torch.relu(self.query_depthwise(self.query(x))), torch.relu(self.key(x)), self.value(x)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q and k (B, K, N), v (B, V, N) -> (B, V, N)."""
        summary = v @ k.transpose(1, 2)  # (B, V, K)
        mean = k.mean(2, keepdim=True).transpose(1, 2)  # (B, 1, K)
        both = torch.cat([summary, mean], dim=1) @ q  # (B, V + 1, N)
        return both[:, :-1] / (both[:, -1:] + self.eps)

    def balance(self, x: Tensor) -> None:
        """Scales q and k by powers of two that bring their peaks for the input `x` to TYPICAL_PEAK or at most half below."""
        q, k, _ = self.projections(x)
        for values, convolution in ((q, self.query_depthwise), (k, self.key)):
            peak = float(values.max())
            if peak > 0:
                factor = 2.0 ** math.floor(math.log2(TYPICAL_PEAK / peak))
                scale(convolution, factor)
                self.eps.mul_(factor)


def scale(convolution: nn.Conv2d, factor: float) -> None:
    """Multiplies the output of a biased convolution by `factor`."""
    assert convolution.bias is not None
    convolution.weight.mul_(factor)
    convolution.bias.mul_(factor)
