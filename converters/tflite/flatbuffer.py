"""A Graph as the bytes of a .tflite file. The same graph always gives the same bytes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.contract import Metadata
from converters.interface import INPUT, LOGITS
from converters.lowering.values import Quantization
from converters.tflite import structure
from converters.tflite.graph import DataType, Graph, Operation, Tensor

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
SIGNATURE = "serving_default"
DESCRIPTION_NAME = "description.json"
BUFFER_ALIGNMENT_BYTES = 16  # `force_align` of Buffer.data in the schema

OPTIONS = {
    "ADD": "AddOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "DIV": "DivOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GELU": "GeluOptions",
    "HARD_SWISH": "HardSwishOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "QUANTIZE": "QuantizeOptions",
    "REDUCE_MAX": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
    "SLICE": "SliceOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SUB": "SubOptions",
    "SUM": "ReducerOptions",
    "TRANSPOSE": "TransposeOptions",
}
"""The options table of each operation; the others have none."""

INT8_VERSIONS = {
    "ADD": 2,
    "BATCH_MATMUL": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 2,
    "EXP": 2,
    "FULLY_CONNECTED": 4,
    "GELU": 2,
    "LOG": 2,
    "LOGISTIC": 2,
    "MAXIMUM": 2,
    "MEAN": 2,
    "MUL": 2,
    "PAD": 2,
    "REDUCE_MAX": 2,
    "RELU": 2,
    "RSQRT": 2,
    "SLICE": 2,
    "SOFTMAX": 2,
    "SUB": 2,
    "SUM": 2,
    "TRANSPOSE": 2,
}
"""Versions where the first input is int8, by tensorflow/lite/tools/versioning/op_version.cc; the others are 1."""

RANK_VERSIONS = {"PAD": {5: 4, 6: 4}, "SLICE": {5: 5, 6: 5}, "TRANSPOSE": {5: 4, 6: 6}}
"""Versions by rank of the first input, same source."""


def version(operation: Operation) -> int:
    """The lowest version of the operation's kernel that can run it, so that older runtimes refuse rather than err."""
    first = operation.inputs[0]
    assert first is not None
    versions = [1, RANK_VERSIONS.get(operation.code, {}).get(len(first.shape), 1)]
    if first.dtype is DataType.INT8:
        versions.append(INT8_VERSIONS.get(operation.code, 1))
    match operation.code:
        case "DEQUANTIZE" if first.dtype is DataType.FLOAT16:
            versions.append(3)
        case "CONV_2D" if first.shape[3] != _input(operation, 1).shape[3]:
            versions.append(6)  # grouped
        case "DEPTHWISE_CONV_2D" if max(operation.options[f"dilation{axis}Factor"] for axis in "HW") > 1:
            versions.append(2)
        case "FULLY_CONNECTED" if operation.options["keepNumDims"]:
            versions.append(5)
        case "MUL" if first.dtype is DataType.INT8 and _product_scale(operation) >= 1:
            versions.append(3)
    return max(versions)


def _input(operation: Operation, index: int) -> Tensor:
    tensor = operation.inputs[index]
    assert tensor is not None
    return tensor


def _product_scale(operation: Operation) -> float:
    tensors = _input(operation, 0), _input(operation, 1), operation.output
    first, second, output = (tensor.quantization.scale for tensor in tensors if tensor.quantization)
    return first * second / output


def serialize(
    graph: Graph, metadata: Metadata, output: str = LOGITS, further: Mapping[str, bytes] | None = None
) -> bytes:
    """The file's bytes, its digest still to be filled in. `output` is the signature's name of the output; `further` are metadata
    buffers beside its own.
    """
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(_model(graph, metadata, output, further or {}).Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _model(graph: Graph, metadata: Metadata, output: str, further: Mapping[str, bytes]) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    tensors = graph.tensors()
    index = {id(tensor): number for number, tensor in enumerate(tensors)}
    codes = sorted({(operation.code, version(operation)) for operation in graph.operations})
    buffers = _Buffers()
    model = schema.ModelT()
    model.version = SCHEMA_VERSION
    model.description = metadata.description
    model.operatorCodes = [_operator_code(code, number) for code, number in codes]
    subgraph = schema.SubGraphT()
    subgraph.name = "main"
    subgraph.tensors = [_tensor(tensor, buffers) for tensor in tensors]
    subgraph.inputs = [index[id(tensor)] for tensor in graph.inputs]
    subgraph.outputs = [index[id(tensor)] for tensor in graph.outputs]
    subgraph.operators = [
        _operator(operation, codes.index((operation.code, version(operation))), index) for operation in graph.operations
    ]
    model.subgraphs = [subgraph]
    model.signatureDefs = [_signature(subgraph, output)]
    model.metadata = [
        _metadata(DESCRIPTION_NAME, buffers.add(_metadata_json(metadata))),
        _metadata(structure.DIGEST_NAME, buffers.add(structure.UNSIGNED)),
        *(_metadata(name, buffers.add(content)) for name, content in further.items()),
    ]
    model.buffers = buffers.tables
    return model


def _metadata(name: str, buffer: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.MetadataT()
    table.name, table.buffer = name, buffer
    return table


def _metadata_json(metadata: Metadata) -> bytes:
    fields = {name: value for name, value in dataclasses.asdict(metadata).items() if value}
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def read_description(model: Any) -> dict[str, Any]:
    """What a file says about itself, the fields of `Metadata` that it has; {} in files of other writers. Raises ValueError."""
    for entry in model.metadata or []:
        if entry.name == DESCRIPTION_NAME.encode():
            fields: dict[str, Any] = json.loads(bytes(model.buffers[entry.buffer].data))
            return fields
    return {}


class _Buffers:
    """The file's buffers. Buffer 0 is empty by convention; equal contents are stored once."""

    def __init__(self) -> None:
        self.tables: list[Any] = [_buffer(b"")]
        self._numbers: dict[bytes, int] = {}

    def add(self, content: bytes) -> int:
        """The number of the buffer that holds `content`."""
        if content not in self._numbers:
            self._numbers[content] = len(self.tables)
            self.tables.append(_buffer(content))
        return self._numbers[content]


def _buffer(content: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    class AlignedBuffer(schema.BufferT):  # type: ignore[misc]
        """The generated `Pack` ignores the schema's alignment of the data."""

        def Pack(self, builder: Any) -> Any:  # noqa: N802  # overrides the generated method
            if content:
                builder.StartVector(1, len(content), BUFFER_ALIGNMENT_BYTES)
                builder.head -= len(content)
                builder.Bytes[builder.head : builder.head + len(content)] = content
                data = builder.EndVector()
            schema.BufferStart(builder)
            if content:
                schema.BufferAddData(builder, data)
            return schema.BufferEnd(builder)

    return AlignedBuffer()


def _operator_code(code: str, number: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.OperatorCodeT()
    table.builtinCode = getattr(schema.BuiltinOperator, code)
    table.deprecatedBuiltinCode = min(table.builtinCode, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    table.version = number
    return table


def _tensor(tensor: Tensor, buffers: _Buffers) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.TensorT()
    table.name = tensor.name
    table.shape = np.array(tensor.shape, dtype=np.int32)
    table.hasRank = True
    table.type = int(tensor.dtype)
    table.buffer = 0 if tensor.data is None else buffers.add(np.ascontiguousarray(tensor.data).tobytes())
    if tensor.quantization is not None:
        table.quantization = _quantization(tensor.quantization)
    return table


def _quantization(quantization: Quantization) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.QuantizationParametersT()
    table.scale = np.array(quantization.scales, dtype=np.float32)
    table.zeroPoint = np.full(len(quantization.scales), quantization.zero_point, dtype=np.int64)
    table.quantizedDimension = quantization.axis
    return table


def _operator(operation: Operation, code_index: int, index: dict[int, int]) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.OperatorT()
    table.opcodeIndex = code_index
    table.inputs = [-1 if tensor is None else index[id(tensor)] for tensor in operation.inputs]
    table.outputs = [index[id(operation.output)]]
    if operation.code in OPTIONS:
        name = OPTIONS[operation.code]
        options = getattr(schema, f"{name}T")()
        for field, value in operation.options.items():
            if not hasattr(options, field):
                raise AttributeError(f"{name} has no field {field}")
            setattr(options, field, value)
        table.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        table.builtinOptions = options
    return table


def _signature(subgraph: Any, output: str) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.SignatureDefT()
    table.signatureKey = SIGNATURE
    table.inputs = [_named(*pair) for pair in zip((INPUT,), subgraph.inputs, strict=True)]
    table.outputs = [_named(*pair) for pair in zip((output,), subgraph.outputs, strict=True)]
    return table


def _named(name: str, index: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.TensorMapT()
    table.name, table.tensorIndex = name, index
    return table
