"""What the TFLite tests share: files, what is in them, and running them in LiteRT."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.integer_io import with_integer_io
from converters.interface import Interface
from converters.lowering.values import Quantization
from converters.tflite.flatbuffer import serialize
from converters.tflite.graph import DataType, Graph
from converters.tflite.graph import Tensor as Stored
from converters.tflite.lower import to_bytes, to_graph
from converters.tflite.structure import signed
from tests import interface_models
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


def written(
    folder: Path, interface: Interface, precision: Precision = Precision.FP32, model: nn.Module | None = None
) -> Path:
    """The file at `folder`; int8-full takes and gives integers."""
    program = interface_models.program_of(model or interface_models.classifier(), int8=precision.quantized)
    if precision is Precision.INT8_FULL:
        program = with_integer_io(program)
    path = folder / f"{interface.pixels is not None}{interface.classes}.tflite"
    path.write_bytes(to_bytes(program, precision, interface_models.METADATA, interface))
    return path


def stored(shape: tuple[int, ...], quantization: Quantization | None = None, name: str = "x") -> Stored:
    """A tensor that no operation gives: int8 with `quantization`, else float32."""
    dtype = DataType.FLOAT32 if quantization is None else DataType.INT8
    return Stored(name=name, shape=shape, dtype=dtype, quantization=quantization)


def computed(graph: Graph, x: np.ndarray) -> np.ndarray:
    """What LiteRT gives for the only input of a graph whose last operation gives its output."""
    whole = graph if graph.outputs else replace(graph, outputs=[graph.operations[-1].output])
    loaded = interpreter(signed(serialize(whole, METADATA)))
    loaded.set_tensor(loaded.get_input_details()[0]["index"], x)
    loaded.invoke()
    output: np.ndarray = loaded.get_tensor(loaded.get_output_details()[0]["index"])
    return output
