"""From an exported program to the bytes of a .tflite file."""

from __future__ import annotations

from dataclasses import replace

from torch.export import ExportedProgram

from converters.contract import Metadata, Precision
from converters.interface import LOGITS, PROBABILITIES, TENSORS, Interface
from converters.lowering.translate import translate
from converters.tflite.app_metadata import NAME, app_metadata, with_labels
from converters.tflite.emitter import Emitter
from converters.tflite.flatbuffer import serialize
from converters.tflite.graph import Graph
from converters.tflite.interface import ENDS
from converters.tflite.operators import OPERATORS
from converters.tflite.passes import for_gpus
from converters.tflite.structure import signed


def to_bytes(
    program: ExportedProgram,
    precision: Precision,
    metadata: Metadata,
    interface: Interface = TENSORS,
    *,
    cpu_only: bool = False,
) -> bytes:
    """The file's content. The same arguments give the same bytes. Raises ToolchainError."""
    graph = to_graph(program, precision, interface, cpu_only=cpu_only)
    output = PROBABILITIES if interface.classes else LOGITS
    if interface == TENSORS:
        return signed(serialize(graph, metadata, output))
    if interface.pixels is not None:
        metadata = replace(metadata, extra={**metadata.extra, **interface.pixels.to_metadata()})
    content = serialize(graph, metadata, output, {NAME: app_metadata(graph, metadata, output)})
    return signed(with_labels(content, metadata.labels))


def to_graph(
    program: ExportedProgram, precision: Precision, interface: Interface = TENSORS, *, cpu_only: bool = False
) -> Graph:
    """The operations of `program` in TFLite's terms, in forms that GPUs take as well unless it is for CPUs only. Raises ToolchainError
    for what has no such form.
    """
    emitter = Emitter(half_weights=precision is Precision.FP16, integer_only=precision is Precision.INT8_FULL)
    translate(program, emitter, OPERATORS, ENDS.input_of(interface), ENDS.output_of(interface))
    return emitter.graph if cpu_only else for_gpus(emitter.graph)
