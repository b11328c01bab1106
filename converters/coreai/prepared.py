"""Exported programs as Core AI's converter takes them."""

from __future__ import annotations

from collections.abc import Collection

from torch.export import ExportedProgram
from torch.fx import GraphModule

from converters.contract import FloatType
from converters.coreai.half import to_half
from converters.coreai.quantization import name_as_core_ai
from converters.quantized_program import exported_again, graph_module


def prepared(program: ExportedProgram, floats: FloatType, wide: Collection[str]) -> ExportedProgram:
    """`program` with Core AI's quantization, computing in `floats` but for the results that `wide` names; fp32 at both ends."""
    module = graph_module(program)
    name_as_core_ai(module)
    if floats is FloatType.FP16:
        to_half(module, wide)
    drop_unread(module)
    return exported_again(module, program)


def drop_unread(module: GraphModule) -> None:
    """Removes nodes without a reader, and parameters and buffers that no node reads: an exported program would keep them."""
    module.graph.eliminate_dead_code()
    read = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for name in [*dict(module.named_parameters()), *dict(module.named_buffers())]:
        if name not in read:
            path, _, leaf = name.rpartition(".")
            delattr(module.get_submodule(path), leaf)
    module.recompile()
