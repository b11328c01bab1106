"""Programs on their way to a process of our own.

`torch.export.save` describes every field of every node, for other versions to read: m0 in int8 takes it five seconds, there and back.
Here both sides are the same installation. Nodes are pickled as they are, and what they refer to by what finds it again: other nodes by
name, operators by name, results by shape and type.
"""

from __future__ import annotations

import pickle
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn
from torch._ops import OpOverload
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.export import ExportedProgram
from torch.fx import Graph, Node

from converters.lowering.program import module_path

NODES, TENSORS = "nodes.pickle", "tensors.pt"
NODE, OPERATOR, RESULT = range(3)
"""What is referred to."""


def save(program: ExportedProgram, folder: Path) -> None:
    """Writes `program` into a new folder. Of what nodes say about themselves stay their results and the paths of their modules."""
    folder.mkdir()
    torch.save((program.state_dict, program.constants, program.example_inputs), folder / TENSORS)
    with (folder / NODES).open("wb") as file:
        pickler = _Pickler(file)
        pickler.dump((program.graph_signature, program.module_call_graph))
        for node in program.graph.nodes:
            called = (node.op, node.target, node.args, node.kwargs)
            pickler.dump((node.name, called, node.meta.get("val"), module_path(node)))


def load(folder: Path) -> ExportedProgram:
    """The program that was saved in `folder`."""
    state, constants, example = torch.load(folder / TENSORS, weights_only=True)
    with (folder / NODES).open("rb") as file:
        unpickler = _Unpickler(file)
        signature, module_calls = unpickler.load()
        while file.peek(1):
            unpickler.node()
    return ExportedProgram(
        root=nn.Module(),
        graph=unpickler.graph,
        graph_signature=signature,
        state_dict=state,
        range_constraints={},
        module_call_graph=module_calls,
        example_inputs=example,
        constants=constants,
    )


class _Pickler(pickle.Pickler):
    def persistent_id(self, one: Any) -> tuple[Any, ...] | None:
        if isinstance(one, Node):
            return NODE, one.name
        if isinstance(one, OpOverload):
            return OPERATOR, str(one)
        if isinstance(one, FakeTensor):
            return RESULT, tuple(one.shape), one.stride(), one.dtype
        return None


class _Unpickler(pickle.Unpickler):
    """Makes nodes of a new graph."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.graph = Graph()
        self._nodes: dict[str, Node] = {}
        self._mode = FakeTensorMode()

    def node(self) -> None:
        """Adds the next one."""
        name, called, result, module = self.load()
        node = self.graph.create_node(*called)
        node.name = name
        node.meta = {"nn_module_stack": {module: (module, "")}} if module else {}
        if result is not None:
            node.meta["val"] = result
        self._nodes[name] = node

    def persistent_load(self, referred: tuple[Any, ...]) -> Any:
        kind, *what = referred
        if kind == NODE:
            return self._nodes[what[0]]
        if kind == OPERATOR:
            return attrgetter(what[0])(torch.ops)
        shape, stride, dtype = what
        with self._mode:
            return torch.empty_strided(shape, stride, dtype=dtype)
