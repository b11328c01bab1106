"""DEQUANTIZE of a scale per channel under the version number of one with a single scale.

LiteRT's GPU accelerator reads the scales of all channels, but takes no version above 3 of the operation; XNNPACK folds both alike. The
number is a guard for runtimes older than TensorFlow Lite 2.7, which would take the first scale for all channels: the file's
`min_runtime_version` still says so.
"""

from __future__ import annotations

from dataclasses import replace

from converters.tflite.graph import Graph, Operation
from converters.tflite.versions import version

NEWEST_ON_GPUS = 3
SINGLE_SCALE = 2


def older_dequantize(graph: Graph) -> Graph:
    """`graph` with no DEQUANTIZE that declares a version above NEWEST_ON_GPUS."""
    return replace(graph, operations=[declared(operation) for operation in graph.operations])


def declared(operation: Operation) -> Operation:
    if operation.code != "DEQUANTIZE" or version(operation) <= NEWEST_ON_GPUS:
        return operation
    return replace(operation, declared=SINGLE_SCALE)
