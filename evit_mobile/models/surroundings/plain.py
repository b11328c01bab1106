"""A part of a traced forward in the operations that every format can write."""

from __future__ import annotations

from collections.abc import Mapping
from operator import getitem

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.affine import fold_affine
from evit_mobile.models.surroundings.choices import rewrite_choices
from evit_mobile.models.surroundings.constants import LAYERS, fold_constants, parametrise
from evit_mobile.models.surroundings.forms import FORMS
from evit_mobile.models.surroundings.naming import named, operation

ATEN = torch.ops.aten
PLAIN: frozenset[str] = frozenset(
    {
        "aten.add.Tensor",
        "aten.bmm.default",
        "aten.cat.default",
        "aten.chunk.default",
        "aten.clamp.default",
        "aten.clamp_min.default",
        "aten.constant_pad_nd.default",
        "aten.conv2d.default",
        "aten.div.Tensor",
        "aten.exp.default",
        "aten.flatten.using_ints",
        "aten.gelu.default",
        "aten.hardswish.default",
        "aten.hardtanh.default",
        "aten.layer_norm.default",
        "aten.linear.default",
        "aten.log.default",
        "aten.matmul.default",
        "aten.maximum.default",
        "aten.mean.dim",
        "aten.minimum.default",
        "aten.mul.Tensor",
        "aten.pad.default",
        "aten.permute.default",
        "aten.relu.default",
        "aten.relu6.default",
        "aten.reshape.default",
        "aten.rsqrt.default",
        "aten.select.int",
        "aten.sigmoid.default",
        "aten.slice.Tensor",
        "aten.softmax.int",
        "aten.split.Tensor",
        "aten.split_with_sizes.default",
        "aten.sqrt.default",
        "aten.squeeze.dim",
        "aten.squeeze.dims",
        "aten.sub.Tensor",
        "aten.sum.dim_IntList",
        "aten.tanh.default",
        "aten.transpose.int",
        "aten.unsqueeze.default",
        "aten.view.default",
    }
)
"""Operations that every format can write."""
UNCHANGED = {
    ATEN.alias.default,
    ATEN.clone.default,
    ATEN.contiguous.default,
    ATEN.detach.default,
    ATEN.dropout.default,
    ATEN.feature_dropout.default,
    ATEN.lift_fresh_copy.default,
}
"""Operations that, in eval mode, give what they read."""
CASTS = {ATEN.to.dtype, ATEN.to.dtype_layout, ATEN._to_copy.default}


def plain(program: ExportedProgram, name: str, places: Mapping[str, str]) -> nn.Module:
    """A part of a forward in operations that all formats have, Identity where it does nothing. `name` is that of the user's module, and
    `places` says where in it each operation is called.

    Raises CheckpointError naming those that have no such form.
    """
    if not in_plain_operations(program):
        program = program.run_decompositions(FORMS)
    module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    for step in STEPS:
        step(module)
    if foreign := [node for node in module.graph.nodes if not is_plain(node)]:
        calls = dict.fromkeys(f"{operation(node)}{places.get(str(node.target), '')}" for node in foreign)
        raise CheckpointError(
            got=f"a {name} that, outside the EfficientViT, calls {named(list(calls))}",
            allowed="layers, activations, sums, products, means, choices and softmax: what every format can write",
            do="leave these to the app, or replace them by such operations",
        )
    if not any(node.op == "call_function" for node in module.graph.nodes):
        return nn.Identity()
    return GraphModule(module, module.graph)


def in_plain_operations(program: ExportedProgram) -> bool:
    """Whether there is nothing to decompose, which takes as long as all the rest of loading a module."""
    calls = (node.target for node in program.graph.nodes if node.op == "call_function")
    return all(target is ATEN.clone.default or str(target) in PLAIN for target in calls)


def skip_unchanged(module: GraphModule) -> None:
    """Takes out, in place, what does nothing in eval mode."""
    for node in list(module.graph.nodes):
        cast = node.target in CASTS and node.meta["val"].dtype == node.args[0].meta["val"].dtype
        if node.target in UNCHANGED or cast:
            node.replace_all_uses_with(node.args[0])
        if node.target is ATEN._assert_tensor_metadata.default:
            module.graph.erase_node(node)
    module.graph.eliminate_dead_code()


STEPS = (skip_unchanged, fold_constants, rewrite_choices, fold_affine, parametrise)
"""What becomes of a part after its operations have their forms; each in place."""


def is_plain(node: Node) -> bool:
    """Whether every format has the operation, and for floats."""
    if node.op != "call_function" or node.target is getitem:
        return True
    weight = node.args[1] if node.target in LAYERS else None
    if isinstance(weight, Node) and weight.op != "get_attr":
        return False
    value = node.meta.get("val")
    return str(node.target) in PLAIN and (not isinstance(value, Tensor) or value.dtype is torch.float32)
