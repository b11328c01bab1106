"""Networks of other families with EfficientViT's accuracy, and the form in which our converters take them.

Our rewrites know EfficientViT's blocks only, so the rivals get the same treatment here: norms folded, q/k/v as separate layers with the
scale folded in, squeeze-excite's gate as a clamp. The function stays the same; `prepare` checks that as it does for ours. The
stock routes get timm's module as it is.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from evit_mobile.reference import randomise
from evit_mobile.rewrites.fold_batch_norm import folded_convolution
from tests.oracles import timm_model

SIZE = (224, 224)


def rival(name: str) -> nn.Module:
    """The timm model with random weights that do not let converters fold anything away."""
    model = timm_model(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        randomise(model, SIZE)
    return model.requires_grad_(False)


def count_macs(model: nn.Module) -> int:
    """Multiply-accumulates of convolutions, linear layers and matrix products for one image, as torch counts them.

    It does not count the products inside fused attention, so the deployable form is counted.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        deployable(model)(torch.zeros(1, 3, *SIZE))
    return int(counter.get_total_flops()) // 2


def deployable(model: nn.Module) -> nn.Module:
    """A copy of a timm model that our converters take."""
    plain = copy.deepcopy(model)
    fold_norms(plain)
    leave_inputs_alone(plain)
    for parent in list(plain.modules()):
        for name, child in parent.named_children():
            if type(child).__name__ == "Attention":
                setattr(parent, name, PlainAttention(child))
            elif type(child).__name__ == "SelectAdaptivePool2d":
                setattr(parent, name, SpatialMean())
            elif type(child).__name__ == "SqueezeExcite" and isinstance(child.gate, nn.Hardsigmoid):
                clamp_gate(child)
    return plain.eval().requires_grad_(False)


def leave_inputs_alone(model: nn.Module) -> None:
    """Activation functions give a new tensor: what they write over could not be observed, and would be calibrated wrong."""
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]  # a flag of activation functions, which mypy takes for a tensor


class SpatialMean(nn.Module):
    """(B, C, H, W) -> (B, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


class PlainAttention(nn.Module):
    """timm's Attention (B, N, C) -> (B, N, C) with q, k and v as layers of their own and the scale in q's weights."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads = attention.num_heads
        self.q, self.k, self.v = (slice_of(attention.qkv, part) for part in range(3))
        with torch.no_grad():
            self.q.weight.mul_(attention.scale)
            self.q.bias.mul_(attention.scale)
        self.proj = attention.proj

    def forward(self, x: Tensor, attn_mask: None = None, is_causal: bool = False) -> Tensor:  # noqa: ARG002  # as timm's
        batch, tokens, channels = x.shape
        q, k, v = (layer(x).view(batch, tokens, self.heads, -1).transpose(1, 2) for layer in (self.q, self.k, self.v))
        weights = (q @ k.transpose(-2, -1)).softmax(-1)  # (B, heads, N, N)
        y: Tensor = self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, channels))
        return y


def slice_of(qkv: nn.Linear, part: int) -> nn.Linear:
    """One third of a combined projection."""
    features = qkv.out_features // 3
    layer = nn.Linear(qkv.in_features, features)
    chosen = slice(part * features, (part + 1) * features)
    with torch.no_grad():
        layer.weight.copy_(qkv.weight[chosen])
        layer.bias.copy_(qkv.bias[chosen])
    return layer


def fold_norms(model: nn.Module) -> None:
    """Folds each of timm's norms with an activation into the convolution before it."""
    for parent in list(model.modules()):
        children = list(parent.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, conv_name, folded_convolution(conv, norm))
                setattr(parent, norm_name, norm.act)


def clamp_gate(block: Any) -> None:
    """hardsigmoid(W x + b) as clamp(W x / 6 + (b / 6 + 1/2), 0, 1)."""
    with torch.no_grad():
        block.conv_expand.weight.div_(6)
        block.conv_expand.bias.div_(6).add_(0.5)
    block.gate = nn.Hardtanh(0.0, 1.0)
