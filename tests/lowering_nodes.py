"""Nodes of an exported program one by one, as emitters see them, without torch.export, which takes a while for each program."""

from __future__ import annotations

from typing import Any

import torch
import torch.ao.quantization.fx._decomposed  # registers the quantized_decomposed operators
from torch import Tensor
from torch.fx import Graph, Node
from torch.fx.node import map_arg

CODES = {8: (-128, 127, torch.int8), 16: (-32768, 32767, torch.int16)}


class Nodes:
    """A graph that grows node by node. Each has what it gives as `val`, as torch.export leaves it."""

    def __init__(self) -> None:
        self.graph = Graph()

    def given(self, value: Tensor, name: str = "x") -> Node:
        """What comes from outside: an input or a parameter."""
        node = self.graph.placeholder(name)
        node.meta["val"] = value
        return node

    def call(self, operator: str, *arguments: Any, **named: Any) -> Node:
        """A call of an operator by its name, `aten.add.Tensor` and the like."""
        namespace, name, overload = operator.split(".")
        target = getattr(getattr(getattr(torch.ops, namespace), name), overload)
        node = self.graph.call_function(target, arguments, named)
        args, kwargs = map_arg((arguments, named), lambda source: source.meta["val"])
        node.meta["val"] = target(*args, **kwargs)
        return node

    def quantize(self, source: Node, scale: float, zero_point: int = 0, bits: int = 8) -> Node:
        return self.call("quantized_decomposed.quantize_per_tensor.default", source, scale, zero_point, *CODES[bits])

    def dequantize(self, source: Node, scale: float, zero_point: int = 0, bits: int = 8) -> Node:
        return self.call("quantized_decomposed.dequantize_per_tensor.default", source, scale, zero_point, *CODES[bits])
