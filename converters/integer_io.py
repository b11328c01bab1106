"""Integer input and output: a quantized program without the conversions at its borders."""

from __future__ import annotations

import torch
from torch.export import ExportedProgram

from converters.lifting import exported_again
from converters.lowering.program import DEQUANTIZE, QUANTIZE, operator_name
from converters.quantized_program import graph_module


def with_integer_io(program: ExportedProgram) -> ExportedProgram:
    """`program`, whose first operation quantizes its input and whose last dequantizes its output, taking and giving int8.

    Raises ValueError for a program that does anything else with its input or output.
    """
    module = graph_module(program)
    (image,) = module.graph.find_nodes(op="placeholder")
    (output,) = module.graph.find_nodes(op="output")
    quantize, (last,) = list(image.users), output.all_input_nodes
    if [operator_name(node) for node in quantize] != [QUANTIZE]:
        raise ValueError("the input is not quantized first of all")
    if operator_name(last) != DEQUANTIZE:
        raise ValueError("the output is not quantized")
    image.meta["val"] = quantize[0].meta["val"]
    quantize[0].replace_all_uses_with(image)
    module.graph.erase_node(quantize[0])
    output.replace_input_with(last, last.all_input_nodes[0])
    module.graph.eliminate_dead_code()
    module.recompile()
    (example,), _ = program.example_inputs
    return exported_again(module, program, (torch.zeros_like(example, dtype=torch.int8),))
