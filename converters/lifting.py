"""An edited graph module as an exported program again.

`torch.export.export` would trace all of it once more, which takes longer than everything else that is done to a small model. What was
edited is known, though: operations came, went and were wired anew, tensors of the module were replaced. So the tensors are lifted to
inputs, as torch.export does it and by the same names, and only what new operations give has to be found out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.export import ExportedProgram, ExportGraphSignature
from torch.export.graph_signature import InputKind, InputSpec, OutputKind, OutputSpec, TensorArgument
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg

PREFIXES = {InputKind.PARAMETER: "p_", InputKind.BUFFER: "b_", InputKind.CONSTANT_TENSOR: "c_"}
"""Of the names of inputs that stand for tensors: torch.export's placeholder_prefixes."""


def exported_again(
    module: GraphModule, program: ExportedProgram, example: tuple[Tensor, ...] | None = None
) -> ExportedProgram:
    """`module`, made from `program`, as a program; `example` is its input where that is another than the program's."""
    lifting = _Lifting(module)
    for name, parameter in module.named_parameters():
        lifting.store(InputKind.PARAMETER, name, parameter)
    kept = module.state_dict().keys()
    for name, buffer in module.named_buffers():
        lifting.store(InputKind.BUFFER, name, buffer, persistent=name in kept)
    for name in [*lifting.readers]:
        path, _, leaf = name.rpartition(".")
        lifting.store(InputKind.CONSTANT_TENSOR, name, getattr(module.get_submodule(path), leaf))
    for node in sorted(module.graph.nodes, key=lambda node: node.op != "placeholder"):  # inputs are first
        lifting.copy(node)
    return ExportedProgram(
        root=nn.Module(),
        graph=lifting.graph,
        graph_signature=ExportGraphSignature(lifting.inputs, lifting.outputs),
        state_dict=lifting.state,
        range_constraints={},
        module_call_graph=program.module_call_graph,
        example_inputs=program.example_inputs if example is None else (example, {}),
        constants=lifting.constants,
        verifiers=program.verifiers,
    )


class _Lifting:
    """A graph whose inputs stand for the tensors that `module` holds, in the making."""

    def __init__(self, module: GraphModule) -> None:
        self.graph = Graph()
        self.inputs: list[InputSpec] = []
        self.outputs: list[OutputSpec] = []
        self.state: dict[str, Tensor] = {}
        self.constants: dict[str, Any] = {}
        self.readers = defaultdict[str, list[Node]](list)
        for node in module.graph.find_nodes(op="get_attr"):
            self.readers[str(node.target)].append(node)
        (image, *_) = module.graph.find_nodes(op="placeholder")
        self._mode: Any = image.meta["val"].fake_mode
        self._copies: dict[Node, Node] = {}

    def store(self, kind: InputKind, name: str, tensor: Tensor, *, persistent: bool | None = None) -> None:
        """Adds the input that stands for a tensor, if the module's graph reads that."""
        if name not in self.readers:
            return
        lifted = self.graph.placeholder(PREFIXES[kind] + re.sub(r"[^a-zA-Z0-9]", "_", name.lower()))
        lifted.meta["val"] = self._mode.from_tensor(tensor, static_shapes=True)
        self._copies |= dict.fromkeys(self.readers.pop(name), lifted)
        self.inputs.append(InputSpec(kind, TensorArgument(name=lifted.name), name, persistent))
        in_state = kind is InputKind.PARAMETER or persistent
        (self.state if in_state else self.constants)[name] = tensor

    def copy(self, node: Node) -> None:
        """Adds what is no tensor of the module: the image, operations, the output."""
        if node.op == "get_attr":
            return
        copied = (
            self._operation(node)
            if node.op == "call_function"
            else self.graph.node_copy(node, self._copies.__getitem__)
        )
        copied.meta = dict(node.meta)
        if node.op == "placeholder":
            copied.name = str(node.target)  # a graph would call `input` otherwise, since Python has it too
            self.inputs.append(InputSpec(InputKind.USER_INPUT, TensorArgument(name=copied.name), None))
        elif node.op == "output":
            results = [TensorArgument(name=result.name) for result in copied.all_input_nodes]
            self.outputs += [OutputSpec(OutputKind.USER_OUTPUT, result, None) for result in results]
        elif "val" not in copied.meta:
            operands, options = map_arg((copied.args, copied.kwargs), lambda operand: operand.meta["val"])
            with self._mode, torch.no_grad():
                copied.meta["val"] = copied.target(*operands, **options)  # type: ignore[operator]  # of an operation
        self._copies[node] = copied

    def _operation(self, node: Node) -> Node:
        """The same operation on copies, called after its operator and numbered, as torch.export does it."""
        target: Any = node.target
        operator = target.overloadpacket if isinstance(target, OpOverload) else target
        arguments, options = map_arg((node.args, node.kwargs), self._copies.__getitem__)
        return self.graph.create_node("call_function", target, arguments, options, operator.__name__)
