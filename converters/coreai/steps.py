"""A program run in PyTorch an operation at a time, each on what another runtime gave the operations before it: its own error is all that
shows.

PyTorch computes in float32 here, and rounds to what the program says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Interpreter, Node
from torch.utils._pytree import tree_map_only

ROUNDINGS = {torch.float16: 8, torch.float32: 32}
"""How many roundings of its largest number one quantum of a tensor is: 1/128 of that in fp16, 4e-6 in fp32."""

MOST = 2**31 - 1
"""Quanta of what is no number, where there should be one."""


class Steps(Interpreter):
    """`quanta` has, by the name of each node that values are `given` of, how far each element of these is off.

    Codes are as many quanta off as they differ. A quantum of a weight, which depends on no image, is one rounding of each number; other
    floats have one for the whole tensor (`ROUNDINGS`).
    """

    def __init__(self, program: ExportedProgram, given: Mapping[str, Tensor]) -> None:
        super().__init__(program.graph_module)
        self.quanta: dict[str, Tensor] = {}
        self._program, self._given = program, given
        self._weights = weights_of(program)

    @torch.no_grad()
    def on(self, image: Tensor) -> dict[str, Tensor]:
        """Runs the program on an image (1, 3, H, W) and gives `quanta`."""
        self.run(*(self._argument(spec, image) for spec in self._program.graph_signature.input_specs))
        return self.quanta

    def run_node(self, n: Node) -> Any:
        if n.op == "output":
            return super().run_node(n)
        computed = as_declared(super().run_node(n), n.meta.get("val"))
        if n.name not in self._given:
            return computed
        given = self._given[n.name]
        self.quanta[n.name] = quanta(given, computed, each=n.name in self._weights)
        return given

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return super().call_function(target, *tree_map_only(Tensor, widened, (args, kwargs)))

    def _argument(self, spec: Any, image: Tensor) -> Tensor:
        """What the placeholder that `spec` describes stands for."""
        if spec.kind is InputKind.USER_INPUT:
            return image
        state = self._program.state_dict
        value: Tensor = state[spec.target] if spec.target in state else self._program.constants[spec.target]
        return value.detach()


def weights_of(program: ExportedProgram) -> frozenset[str]:
    """Names of the nodes whose results depend on no image."""
    images = set(program.graph_signature.user_inputs)
    found: set[str] = set()
    for node in program.graph.nodes:
        if node.name not in images and all(one.name in found for one in node.all_input_nodes):
            found.add(node.name)
    return frozenset(found)


def widened(value: Tensor) -> Tensor:
    return value.float() if value.dtype is torch.float16 else value


def as_declared(computed: Any, declared: Any) -> Any:
    """`computed` rounded to the float type that the node has in the program."""
    if isinstance(computed, tuple | list):
        return type(computed)(as_declared(*pair) for pair in zip(computed, declared, strict=True))
    return computed.to(declared.dtype) if isinstance(computed, Tensor) and computed.is_floating_point() else computed


def quanta(given: Tensor, expected: Tensor, *, each: bool) -> Tensor:
    """How many quanta each number is off; a quantum is of each number by itself, or one for all."""
    if not expected.is_floating_point():
        return (given.long() - expected.long()).abs()
    kind = torch.finfo(expected.dtype)
    size = expected.double().abs()
    if not each:
        size = ROUNDINGS[expected.dtype] * size[size.isfinite()].amax() if size.isfinite().any() else size.new_ones(())
    quantum = size.clamp(min=kind.tiny) * kind.eps
    same = (given == expected) | (given.isnan() & expected.isnan())
    off = (given.double() - expected.double()).abs() / quantum
    return off.masked_fill(same, 0).nan_to_num(nan=MOST, posinf=MOST).clamp(max=MOST)
