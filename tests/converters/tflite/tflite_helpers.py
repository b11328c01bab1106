"""What the TFLite tests share: files, what is in them, and running them in LiteRT."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.tflite.graph import Graph
from converters.tflite.lower import to_bytes, to_graph
from tests.lowering_helpers import METADATA


def content(program: ExportedProgram, precision: Precision = Precision.FP32, *, cpu_only: bool = False) -> bytes:
    return to_bytes(program, precision, METADATA, cpu_only=cpu_only)


def interpreter(file: bytes) -> Any:
    loaded = Interpreter(model_content=file, num_threads=1)
    loaded.allocate_tensors()
    return loaded


def run(file: bytes, x: Tensor) -> np.ndarray:
    """Output in PyTorch's order of dimensions."""
    loaded = interpreter(file)
    stored = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
    loaded.set_tensor(loaded.get_input_details()[0]["index"], stored.contiguous().numpy())
    loaded.invoke()
    output: np.ndarray = loaded.get_tensor(loaded.get_output_details()[0]["index"])
    return output.transpose(0, 3, 1, 2) if output.ndim == 4 else output


def partitions(file: bytes) -> int:
    return sum(node["op_name"] == "DELEGATE" for node in interpreter(file)._get_ops_details())


def codes(program: ExportedProgram, precision: Precision = Precision.FP32) -> list[str]:
    return [operation.code for operation in to_graph(program, precision).operations]


def counts(graph: Graph) -> Counter[str]:
    return Counter(operation.code for operation in graph.operations)
