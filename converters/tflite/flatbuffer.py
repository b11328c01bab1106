"""A Graph as the bytes of a .tflite file. The same graph always gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.contract import Metadata
from converters.interface import INPUT, LOGITS
from converters.lowering.values import Quantization
from converters.tflite import structure
from converters.tflite.graph import Graph, Operation, Tensor
from converters.tflite.versions import oldest_release, version

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
SIGNATURE = "serving_default"
DESCRIPTION_NAME = "description.json"
OLDEST_NAME, OLDEST_BYTES = "min_runtime_version", 16
"""Where readers look for the oldest TensorFlow Lite that has every operation, and the size of that buffer."""
BUFFER_ALIGNMENT_BYTES = 16  # `force_align` of Buffer.data in the schema
ROOM_BYTES = 1 << 20
"""For everything but the constants; a builder grows where that is too little."""

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


def serialize(
    graph: Graph, metadata: Metadata, output: str = LOGITS, further: Mapping[str, bytes] | None = None
) -> bytes:
    """The file's bytes, its digest still to be filled in. `output` is the signature's name of the output; `further` are metadata
    buffers beside its own.
    """
    import flatbuffers

    stored = sum(tensor.data.nbytes for tensor in graph.tensors() if tensor.data is not None)
    builder = flatbuffers.Builder(stored + ROOM_BYTES)  # one that runs full copies all that it holds
    builder.Finish(_model(graph, metadata, output, further or {}).Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _model(graph: Graph, metadata: Metadata, output: str, further: Mapping[str, bytes]) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    tensors = graph.tensors()
    index = {id(tensor): number for number, tensor in enumerate(tensors)}
    needed = {(operation.code, version(operation)) for operation in graph.operations}
    codes = sorted({_declared(operation) for operation in graph.operations})
    buffers = _Buffers()
    model = schema.ModelT()
    model.version = SCHEMA_VERSION
    model.description = metadata.description
    model.operatorCodes = [_operator_code(code, number) for code, number in codes]
    subgraph = schema.SubGraphT()
    subgraph.name = "main"
    names = {id(tensor): tensor.name for tensor in tensors}
    names |= {id(graph.inputs[0]): INPUT, id(graph.outputs[0]): output}
    subgraph.tensors = [_tensor(tensor, names[id(tensor)], buffers) for tensor in tensors]
    subgraph.inputs = [index[id(tensor)] for tensor in graph.inputs]
    subgraph.outputs = [index[id(tensor)] for tensor in graph.outputs]
    subgraph.operators = [
        _operator(operation, codes.index(_declared(operation)), index) for operation in graph.operations
    ]
    model.subgraphs = [subgraph]
    model.signatureDefs = [_signature(subgraph, output)]
    model.metadata = [
        _metadata(DESCRIPTION_NAME, buffers.add(_metadata_json(metadata))),
        _metadata(OLDEST_NAME, buffers.add(oldest_release(needed).encode().ljust(OLDEST_BYTES, b"\0"))),
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
    fields = {name: value for name, value in metadata.texts().items() if value}
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def read_description(model: Any) -> dict[str, Any]:
    """What a file says about itself, the fields of `Metadata` that it has; {} in files of other writers. Raises ValueError."""
    for entry in model.metadata or []:
        if entry.name == DESCRIPTION_NAME.encode():
            fields: dict[str, Any] = json.loads(bytes(model.buffers[entry.buffer].data))
            return fields
    return {}


def read_oldest_release(model: Any) -> str | None:
    """The file's own word on the oldest TensorFlow Lite that runs it; None where it has none."""
    for entry in model.metadata or []:
        if entry.name == OLDEST_NAME.encode():
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode() or None
    return None


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


def _declared(operation: Operation) -> tuple[str, int]:
    """An operation's code and the version that the file says it is."""
    return operation.code, version(operation) if operation.declared is None else operation.declared


def _operator_code(code: str, number: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.OperatorCodeT()
    table.builtinCode = getattr(schema.BuiltinOperator, code)
    table.deprecatedBuiltinCode = min(table.builtinCode, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    table.version = number
    return table


def _tensor(tensor: Tensor, name: str, buffers: _Buffers) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.TensorT()
    table.name = name
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
