"""Operations that GPU accelerators compute wrongly or refuse, written in a form that they take. Each pass gives a new graph that computes
the same, on a CPU to the bit. What is wrong there, and where that was seen: docs/gpu.md.
"""

from __future__ import annotations

from collections.abc import Callable

from converters.tflite.graph import Graph
from converters.tflite.passes.dense_convolutions import dense_convolutions
from converters.tflite.passes.equal_ranks import equal_ranks
from converters.tflite.passes.float_groups import float_groups
from converters.tflite.passes.layers_as_convolutions import layers_as_convolutions
from converters.tflite.passes.older_dequantize import older_dequantize
from converters.tflite.passes.outputs_in_fours import outputs_in_fours

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    dense_convolutions,
    float_groups,
    layers_as_convolutions,
    outputs_in_fours,
    equal_ranks,
    older_dequantize,
)


def for_gpus(graph: Graph) -> Graph:
    """`graph` after every pass."""
    for apply in PASSES:
        graph = apply(graph)
    return graph
