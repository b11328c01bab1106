"""From an exported program to the bytes of a .pte file with one XNNPACK delegate.

executorch's own route (`to_edge_transform_and_lower` with `XnnpackPartitioner`) retraces a program some thirty times, cannot see the
layout copies it creates, refuses operations that XNNPACK has, and fails on quantized attention. The delegate's graph is simple enough
to write directly, with executorch's schema and serialisers; its runtime reads the result like any other .pte file.
"""

from __future__ import annotations

from dataclasses import replace

from torch.export import ExportedProgram

from converters.contract import Metadata, Precision
from converters.executorch.container import OUTPUT_KEY, write_container
from converters.executorch.delegate import write_blob
from converters.executorch.emitter import Emitter
from converters.executorch.graph import DataType, Graph
from converters.executorch.interface import ENDS
from converters.executorch.operators import OPERATORS
from converters.interface import PROBABILITIES, TENSORS, Interface
from converters.lowering.translate import translate


def to_bytes(
    program: ExportedProgram, precision: Precision, metadata: Metadata, interface: Interface = TENSORS
) -> bytes:
    """The file's content. The same program, precision, metadata and interface give the same bytes. Raises ToolchainError."""
    graph = to_graph(program, precision, interface)
    extra = dict(metadata.extra)
    if interface.pixels is not None:
        extra |= interface.pixels.to_metadata()
    if interface.classes:
        extra |= {OUTPUT_KEY: PROBABILITIES}
    return write_container(graph, write_blob(graph), replace(metadata, extra=extra))


def to_graph(program: ExportedProgram, precision: Precision, interface: Interface = TENSORS) -> Graph:
    """The operations of `program` in XNNPACK's terms. Raises ToolchainError for what has no such form."""
    emitter = Emitter(DataType.FP16 if precision is Precision.FP16 else DataType.FP32)
    translate(program, emitter, OPERATORS, ENDS.input_of(interface), ENDS.output_of(interface))
    emitter.graph.prune()
    emitter.graph.hand_in()
    emitter.graph.tell_apart()
    return emitter.graph
