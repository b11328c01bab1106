"""What nothing reads any more once a pass has put something else in its place."""

from __future__ import annotations

from dataclasses import replace

from converters.tflite.graph import Graph


def without_unread(graph: Graph) -> Graph:
    """`graph` without operations whose result neither another one reads nor the file gives."""
    read = {id(tensor) for operation in graph.operations for tensor in operation.inputs}
    read |= {id(output) for output in graph.outputs}
    return replace(graph, operations=[one for one in graph.operations if id(one.output) in read])
