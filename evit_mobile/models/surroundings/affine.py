"""Sums and products with constants: several in a row become one, and those beside a layer become part of it.

A node is y = s x + t with constants s and t of at most its own shape: normalisation of an image, batch norm of features, a temperature,
a learned scale. Behind a layer W x + b, (s W) x + (s b + t) is the same; before one, (W s) x + (W t + b).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from evit_mobile.models.surroundings.constants import as_constant, constant_of, shape_of

ATEN = torch.ops.aten

CHANNELS: dict[Any, int] = {ATEN.linear.default: -1, ATEN.conv2d.default: 1}
"""Layers, and the dimension of their results that their outputs lie along."""


@dataclass(frozen=True, slots=True)
class Affine:
    """scale * base + shift, in fp64."""

    base: Node
    scale: Tensor
    shift: Tensor


def fold_affine(module: GraphModule) -> None:
    """Rewrites the graph in place, the same function to fp32 rounding."""
    while fold_one(module):
        module.graph.eliminate_dead_code()
    forms = affine_nodes(module)
    for node, form in forms.items():
        if is_last(node, forms):
            node.replace_all_uses_with(written(module, node, form), delete_user_cb=lambda user: user not in forms)
    module.graph.eliminate_dead_code()


def fold_one(module: GraphModule) -> bool:
    """Puts one row of sums and products into the layers beside it; False where there is none left to put anywhere."""
    forms = affine_nodes(module)
    return any(is_last(node, forms) and into_layers(module, node, form) for node, form in forms.items())


def affine_nodes(module: GraphModule) -> dict[Node, Affine]:
    """What every sum and product with constants makes of what the row of them begins with."""
    forms: dict[Node, Affine] = {}
    for node in module.graph.nodes:
        if (found := affine_of(module, node)) is not None:
            forms[node] = composed(forms, found)
    return forms


def is_last(node: Node, forms: dict[Node, Affine]) -> bool:
    """Whether something else than the row goes on from the node."""
    return any(user not in forms for user in node.users)


def affine_of(module: GraphModule, node: Node) -> Affine | None:
    """What a sum, difference, product or quotient with a constant does; None for any other operation."""
    if node.target is ATEN.neg.default:
        return Affine(argument(node, 0), torch.tensor(-1.0).double(), torch.tensor(0.0).double())
    if node.target is ATEN.rsub.Scalar and len(node.args) == 2:
        return Affine(argument(node, 0), torch.tensor(-1.0).double(), torch.tensor(float(node.args[1])).double())  # type: ignore[arg-type]  # a number
    if node.target not in (ATEN.add.Tensor, ATEN.sub.Tensor, ATEN.mul.Tensor, ATEN.div.Tensor) or node.kwargs:
        return None
    left, right = (constant_of(module, operand) for operand in node.args[:2])
    if (left is None) == (right is None):
        return None
    base, constant = (argument(node, 1), left) if right is None else (argument(node, 0), right)
    assert constant is not None
    if shape_of(base) != shape_of(node) or (node.target is ATEN.div.Tensor and right is None):
        return None
    constant, one, zero = constant.double(), torch.tensor(1.0).double(), torch.tensor(0.0).double()
    if node.target is ATEN.add.Tensor:
        return Affine(base, one, constant)
    if node.target is ATEN.sub.Tensor:
        return Affine(base, one, -constant) if left is None else Affine(base, -one, constant)
    return Affine(base, constant if node.target is ATEN.mul.Tensor else 1 / constant, zero)


def argument(node: Node, place: int) -> Node:
    """The node that `node` reads at `place`."""
    operand = node.args[place]
    assert isinstance(operand, Node)
    return operand


def composed(forms: dict[Node, Affine], form: Affine) -> Affine:
    """`form` over what its base is itself a form of."""
    inner = forms.get(form.base)
    if inner is None:
        return form
    return Affine(inner.base, form.scale * inner.scale, form.scale * inner.shift + form.shift)


def into_layers(module: GraphModule, node: Node, form: Affine) -> bool:
    """Puts `form` into the layer that it follows, or into all the linear layers that read it; False where neither can be."""
    before = form.base
    channel = CHANNELS.get(before.target)
    if channel is not None and len(before.users) == 1 and constant_of(module, before.args[1]) is not None:
        scale, shift = (along_channels(value, shape_of(node), channel) for value in (form.scale, form.shift))
        if scale is not None and shift is not None:
            node.replace_all_uses_with(behind_layer(module, before, scale, shift))
            return True
    scale, shift = (along_channels(value, shape_of(node), -1) for value in (form.scale, form.shift))
    readers = [user.target is ATEN.linear.default and user.args[0] is node for user in node.users]
    if scale is None or shift is None or not all(readers):
        return False
    for user in list(node.users):
        before_layer(module, user, form.base, scale, shift)
    return True


def along_channels(value: Tensor, shape: tuple[int, ...], dim: int) -> Tensor | None:
    """(channels,) values of what is constant along every other dimension of `shape`; None where it is not."""
    whole = value.expand(shape).movedim(dim, 0).flatten(1)
    return whole[:, 0] if bool((whole == whole[:, :1]).all()) else None


def layer_constants(module: GraphModule, layer: Node) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer in fp64."""
    weight = constant_of(module, layer.args[1])
    bias = constant_of(module, layer.args[2]) if len(layer.args) > 2 else None
    assert weight is not None
    return weight.double(), weight.new_zeros(len(weight)).double() if bias is None else bias.double()


def behind_layer(module: GraphModule, layer: Node, scale: Tensor, shift: Tensor) -> Node:
    """A copy of `layer` whose outputs are scaled and shifted."""
    weight, bias = layer_constants(module, layer)
    new_weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
    return with_constants(module, layer, layer.args[0], new_weight, bias * scale + shift)


def before_layer(module: GraphModule, layer: Node, source: Node, scale: Tensor, shift: Tensor) -> None:
    """Replaces a linear `layer` by one that reads `source` and scales and shifts it."""
    weight, bias = layer_constants(module, layer)
    layer.replace_all_uses_with(with_constants(module, layer, source, weight * scale, weight @ shift + bias))


def with_constants(module: GraphModule, layer: Node, source: Any, weight: Tensor, bias: Tensor) -> Node:
    """A copy of `layer` over `source` with other constants."""
    graph = module.graph
    with graph.inserting_before(layer):
        constants = [as_constant(module, tensor.float()) for tensor in (weight, bias)]
        copy = graph.create_node("call_function", layer.target, (source, *constants, *layer.args[3:]), layer.kwargs)
    copy.meta = dict(layer.meta)
    return copy


def written(module: GraphModule, node: Node, form: Affine) -> Node:
    """One product and one sum, or fewer, behind `form.base`."""
    result = form.base
    for target, value, neutral in ((ATEN.mul.Tensor, form.scale, 1), (ATEN.add.Tensor, form.shift, 0)):
        if bool((value == neutral).all()):
            continue
        with module.graph.inserting_before(node):
            operand = value.item() if value.numel() == 1 and value.ndim == 0 else as_constant(module, value.float())
            result = module.graph.create_node("call_function", target, (result, operand))
        result.meta = dict(node.meta)
    return result
