"""What GPUs refuse or compute wrongly, found in a graph, and modules that have it."""

from __future__ import annotations

from torch import nn
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.tflite.graph import DataType, Graph, Operation
from converters.tflite.lower import to_bytes, to_graph
from converters.tflite.passes.dense_convolutions import grouped_int8
from converters.tflite.passes.float_groups import reads_a_group
from tests.lowering_helpers import METADATA

IMAGE = (1, 12, 9, 9)
GROUPED = {
    "one pixel": nn.Conv2d(12, 24, 1, groups=3),
    "several pixels": nn.Conv2d(12, 8, 3, padding=1, groups=4),
    "slices": nn.Sequential(nn.Conv2d(12, 288, 1), nn.ReLU(), nn.Conv2d(288, 144, 3, groups=9)),
    "slices of one group": nn.Sequential(nn.Conv2d(12, 240, 1), nn.ReLU(), nn.Conv2d(240, 480, 1, groups=3)),
    "strides": nn.Conv2d(12, 24, (3, 5), stride=2, groups=6, bias=False),
}


def files(program: ExportedProgram, precision: Precision) -> tuple[bytes, bytes]:
    """For all processors, and for CPUs only."""
    everywhere, cpu = (to_bytes(program, precision, METADATA, cpu_only=only) for only in (False, True))
    return everywhere, cpu


def graphs(program: ExportedProgram, precision: Precision) -> tuple[Graph, Graph]:
    everywhere, cpu = (to_graph(program, precision, cpu_only=only) for only in (False, True))
    return everywhere, cpu


def grouped(graph: Graph) -> list[Operation]:
    return [operation for operation in graph.operations if grouped_int8(operation)]


def unequal(graph: Graph) -> list[Operation]:
    """Int8 sums and products of activations that differ in rank."""
    return [
        operation
        for operation in graph.operations
        if operation.code in ("ADD", "SUB", "MUL")
        and len({len(one.shape) for one in operation.inputs if one and one.data is None}) > 1
        and operation.output.dtype is DataType.INT8
    ]


def unpacked_groups(graph: Graph) -> list[Operation]:
    """Grouped convolutions whose weights come from a DEQUANTIZE."""
    unpacked = {id(operation.output) for operation in graph.operations if operation.code == "DEQUANTIZE"}
    convolutions = [operation for operation in graph.operations if operation.code == "CONV_2D"]
    return [one for one in convolutions if reads_a_group(one) and id(one.inputs[1]) in unpacked]


def matrices_unpacked(graph: Graph) -> list[Operation]:
    return [
        operation
        for operation in graph.operations
        if operation.code == "DEQUANTIZE" and operation.inputs[0] and operation.inputs[0].data is not None
        if len(operation.output.shape) == 2
    ]
