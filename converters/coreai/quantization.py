"""Quantize and dequantize nodes as Core AI has them: the same function, with scale and zero point as tensors.

Core AI's range is always -128..127; weights of -127..127 are within it. Halves are rounded to even, as in PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter

import torch
from torch.fx import GraphModule, Node

from converters.lowering.program import DEQUANTIZE, DEQUANTIZE_CHANNELS, QUANTIZE, arguments, operator_name


def name_as_core_ai(module: GraphModule) -> None:
    """Replaces every node of the `quantized_decomposed` operators in `module`."""
    import_module("coreai_torch._compression.custom_layers")  # registers torch.ops.coreai
    replaced = {QUANTIZE: _quantize, DEQUANTIZE: _dequantize, DEQUANTIZE_CHANNELS: _dequantize_channels}
    for node in [node for node in module.graph.nodes if operator_name(node) in replaced]:
        with module.graph.inserting_before(node):
            new = replaced[operator_name(node)](module, node)
        new.meta = dict(node.meta)
        node.replace_all_uses_with(new)
        module.graph.erase_node(node)


def is_quantization(node: Node) -> bool:
    """Whether it quantizes or dequantizes, in Core AI's form."""
    return operator_name(node) in (
        "coreai.quantize.default",
        "coreai.dequantize.default",
        "coreai.constexpr_blockwise_shift_scale.default",
    )


def _quantize(module: GraphModule, node: Node) -> Node:
    scale, zero_point = _parameters(module, node)
    return module.graph.call_function(torch.ops.coreai.quantize.default, (node.args[0], scale, torch.int8, zero_point))


def _dequantize(module: GraphModule, node: Node) -> Node:
    scale, zero_point = _parameters(module, node)
    return module.graph.call_function(torch.ops.coreai.dequantize.default, (node.args[0], scale, zero_point))


def _dequantize_channels(module: GraphModule, node: Node) -> Node:
    """Core AI's form of compressed weights, whose scales have as many axes as the codes. `dequantize` has one of an axis as well, but a
    file repeats 39 operations with each of these.
    """
    named = arguments(node)
    scales = named["scales"]
    value: torch.Tensor = attrgetter(scales.target)(module)
    shape = [1] * named["input"].meta["val"].ndim
    shape[named["axis"]] = -1
    spread = constant(module, f"{scales.target}_spread", value.reshape(shape))
    return module.graph.call_function(
        torch.ops.coreai.constexpr_blockwise_shift_scale.default, (named["input"], spread)
    )


def _parameters(module: GraphModule, node: Node) -> tuple[Node, Node]:
    """Scale and zero point of a tensor, as constants that equal ones share."""
    named = arguments(node)
    scale, zero_point = float(named["scale"]), int(named["zero_point"])
    return (
        constant(module, f"scale_{scale.hex()}", torch.tensor(scale, dtype=torch.float32)),
        constant(module, f"zero_point_{zero_point}", torch.tensor(zero_point, dtype=torch.int8)),
    )


def constant(module: GraphModule, name: str, value: torch.Tensor) -> Node:
    """A node that reads `value`, which `module` keeps under `name`."""
    name = "".join(letter if letter.isalnum() else "_" for letter in name)
    if not hasattr(module, name):
        module.register_buffer(name, value)
    return module.graph.get_attr(name)
