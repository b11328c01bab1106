"""Forwards as torch traces them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule

IMAGE = (1, 3, 8, 8)


class Forward(nn.Module):
    """`function(self, x)` over modules and constants given by name."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, Tensor):
                self.register_buffer(name, part)
            else:
                self.add_module(name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def program_of(module: nn.Module, x: Tensor) -> ExportedProgram:
    return torch.export.export(module.eval().requires_grad_(False), (x,))


def graph_of(module: nn.Module, x: Tensor) -> GraphModule:
    found = program_of(module, x).module(check_guards=False)
    assert isinstance(found, GraphModule)
    return found


def called(module: nn.Module) -> list[str]:
    """Names of the operations of a graph, in order."""
    assert isinstance(module, GraphModule)
    nodes = [node for node in module.graph.nodes if node.op == "call_function"]
    return [str(node.target).removeprefix("aten.").split(".")[0] for node in nodes]


def rewritten(step: Callable[[GraphModule], object], module: nn.Module, x: Tensor) -> tuple[list[str], float]:
    """The operations after a step, and the largest difference that it made to what the module gives, relative to its largest value."""
    graph = graph_of(module, x)
    with torch.no_grad():
        before = module(x)
        step(graph)
        graph.recompile()
        after = graph(x)
    return called(graph), float((after - before).abs().max() / before.abs().max())
