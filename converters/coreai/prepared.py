"""Exported programs as Core AI's converter takes them."""

from __future__ import annotations

from collections.abc import Collection

from torch.export import ExportedProgram

from converters.contract import FloatType
from converters.coreai.ends import with_ends
from converters.coreai.half import to_half
from converters.coreai.palettes import look_up_repeated, take_from_palettes
from converters.coreai.quantization import name_as_core_ai
from converters.interface import TENSORS, Interface
from converters.lifting import exported_again
from converters.quantized_program import graph_module


def prepared(
    program: ExportedProgram,
    floats: FloatType,
    wide: Collection[str],
    interface: Interface = TENSORS,
    palette_bits: int | None = None,
    *,
    compressed: bool = False,
) -> ExportedProgram:
    """`program` with Core AI's quantization, computing in `floats` but for the results that `wide` names; fp32 at both ends, or what
    `interface` asks for. With `palette_bits` larger weights are indices of so many bits. In a `compressed` program
    constants that repeat a few values are indices too.
    """
    module = graph_module(program)
    name_as_core_ai(module)
    if palette_bits is not None:
        take_from_palettes(module, palette_bits)
    example, ends = with_ends(module, program, interface)
    if floats is FloatType.FP16:
        to_half(module, {*wide, *ends})
    if compressed:
        look_up_repeated(module)
    module.graph.eliminate_dead_code()
    return exported_again(module, program, (example,))
