"""A linear layer of one's own behind a network without its last one, as nn.Sequential(backbone, nn.Linear(...)) keeps it.

It stands where the variant has such a layer itself, so a file says what it computes. Of heads with several layers it does not: nothing says
what lies between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.match import match_variant
from evit_mobile.models.weights.template import BATCH_COUNT, Part, Template, template
from evit_mobile.spec import MODELS

BATCH_NORM_EPS = 1e-5
"""Of nn.BatchNorm1d; a file does not keep it."""
LINEAR = ({"weight"}, {"weight", "bias"})
NORM = {"weight", "bias", "running_mean", "running_var"}

Layer = dict[str, Tensor]


def with_own_head(layout: Layout, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str] | None:
    """`state` with the layer under the variant's own name, and a remark; None unless a linear layer, with a batch norm before it or
    without, is all that lies beside a variant without its last layer.
    """
    for name in (name for name, spec in MODELS.items() if spec.family == layout.family):
        whole = template(name)
        without = whole.only(Part.EMBEDDING)
        match = match_variant(without, layout, state)
        if whole.classifier is None or match.missing or match.misshapen:
            continue
        if own_keys(whole, layout, state).issuperset(key for key in match.surplus if not key.endswith(BATCH_COUNT)):
            continue
        layers = by_path(state, match.surplus)
        linear = linear_of(layers, whole.spec.architecture.embedding)
        if linear is not None:
            rest = {key: tensor for key, tensor in state.items() if key not in match.surplus}
            return {**rest, **own_names(whole, layout, *linear)}, remark(layers)
    return None


def own_keys(whole: Template, layout: Layout, state: Mapping[str, Tensor]) -> set[str]:
    """The keys of the variant's own last layer in such a file. One that has only some of them has lost the others: what is left is no
    layer of one's own, which has no bias.
    """
    path = whole.spec.architecture.classifier
    folded = not any(key.endswith("running_mean") for key in state)
    names = (f"{path}.weight", f"{path}.bias") if folded else whole.shapes
    return {layout.rename(name) for name in names if name.startswith(f"{path}.")}


def by_path(state: Mapping[str, Tensor], keys: tuple[str, ...]) -> dict[str, Layer]:
    """The tensors under `keys` by the layer that they are of, and in it by their own names."""
    layers: dict[str, Layer] = {}
    for key in keys:
        path, _, leaf = key.rpartition(".")
        if leaf != BATCH_COUNT:
            layers.setdefault(path, {})[leaf] = state[key]
    return layers


def linear_of(layers: Mapping[str, Layer], features: int) -> tuple[Tensor, Tensor] | None:
    """Weight (classes, features) and bias (classes) of a linear layer with the norm before it folded in; None for other layers."""
    *before, (last, layer) = layers.items()
    weight = layer.get("weight")
    if layer.keys() not in LINEAR or weight is None or weight.ndim != 2 or weight.shape[1] != features:
        return None
    bias = layer.get("bias", weight.new_zeros(weight.shape[0]))
    if not before:
        return weight, bias
    (path, norm), *more = before
    if more or norm.keys() != NORM or {tensor.shape for tensor in norm.values()} != {(features,)} or path > last:
        return None
    scale, shift, mean, variance = (norm[name].double() for name in ("weight", "bias", "running_mean", "running_var"))
    scale = scale / torch.sqrt(variance + BATCH_NORM_EPS)
    return (weight.double() * scale).float(), (bias.double() + weight.double() @ (shift - scale * mean)).float()


def own_names(whole: Template, layout: Layout, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """A linear layer under the names that the variant's last one has, where that has a norm with this folded in."""
    path = whole.spec.architecture.classifier
    return {layout.rename(f"{path}.{leaf}"): tensor for leaf, tensor in (("weight", weight), ("bias", bias))}


def remark(paths: Iterable[str]) -> str:
    """What is assumed of the layers at these paths."""
    *norm, linear = map(repr, paths)
    before = f"{norm[0]} for a batch norm and " if norm else ""
    return (
        f"took {before}{linear} for the layer that gives the logits; a file does not say what else a forward computes: where it computes "
        "more, pass the live module"
    )
