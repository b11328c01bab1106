"""Microsoft's distillation head: in eval mode the model averages two linear heads, which is one linear head."""

from __future__ import annotations

import torch
from torch import Tensor

from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.unwrap import StateDict

HEAD, DISTILLED = "head", "head_dist"
BATCH_NORM_EPS = 1e-5
PLAIN = ("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "l.weight", "l.bias")
FOLDED = ("weight", "bias")


def merge_distilled_head(layout: Layout, state: StateDict) -> tuple[StateDict, tuple[str, ...]]:
    """`state` with both heads replaced by their average, and a remark; unchanged without two whole heads.

    microsoft/Cream EfficientViT/classification/model/efficientvit.py@4a13c40, EfficientViT.forward.
    """
    if layout.origin != "msra":
        return state, ()
    heads = [_folded_head(head, state) for head in (HEAD, DISTILLED)]
    if heads[0] is None or heads[1] is None or heads[0][0].shape != heads[1][0].shape:
        return state, ()
    weight, bias = ((a + b) / 2 for a, b in zip(heads[0], heads[1], strict=True))
    merged = {key: tensor for key, tensor in state.items() if not key.startswith((f"{HEAD}.", f"{DISTILLED}."))}
    note = "averaged 'head' and 'head_dist' into one linear layer, which is what the distilled model does in eval mode"
    return {**merged, f"{HEAD}.weight": weight, f"{HEAD}.bias": bias}, (note,)


def _folded_head(head: str, state: StateDict) -> tuple[Tensor, Tensor] | None:
    """Weight (classes, C) and bias (classes) of a head with its norm folded in, in fp64; None unless it is whole."""
    if all(f"{head}.{leaf}" in state for leaf in FOLDED):
        weight, bias = (state[f"{head}.{leaf}"].double() for leaf in FOLDED)
        return weight, bias
    if not all(f"{head}.{leaf}" in state for leaf in PLAIN):
        return None
    gamma, beta, mean, variance, weight, bias = (state[f"{head}.{leaf}"].double() for leaf in PLAIN)
    shapes = {gamma.shape, beta.shape, mean.shape, variance.shape}
    if shapes != {weight.shape[1:]} or bias.shape != weight.shape[:1]:
        return None
    scale = gamma / torch.sqrt(variance + BATCH_NORM_EPS)
    return weight * scale, weight @ (beta - scale * mean) + bias
