"""Reading a .tflite file without trusting it.

The runtime checks that a file is a well-formed flatbuffer, but not that its tables make sense together, and XNNPACK
believes the shapes it reads. So a file written here carries a SHA-256 of its structure: all bytes but the weights.
Damage there is found before any native code sees the file; damage to weights changes outputs, which is validation's
business. Files of other writers have no digest and are checked for consistency only.
"""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path
from typing import Any

from converters.errors import ArtefactError
from converters.tflite.graph import DataType

DIGEST_NAME = "structure.sha256"
UNSIGNED = b"0" * hashlib.sha256().digest_size * 2
IDENTIFIER_OFFSET = 4
IDENTIFIER = b"TFL3"
BYTES_PER_ELEMENT = {DataType.FLOAT32: 4, DataType.FLOAT16: 2, DataType.INT32: 4, DataType.UINT8: 1, DataType.INT8: 1}
WEIGHT_TYPES = {DataType.FLOAT32, DataType.FLOAT16, DataType.INT8}

MALFORMED = (struct.error, ValueError, IndexError, TypeError, AttributeError, OverflowError, MemoryError)
"""What the generated readers raise on bytes that are no such table."""


def is_signed(content: bytes) -> bool:
    """Whether a file has room for the digest: one that was written here, or compiled from such."""
    from ai_edge_litert import schema_py_generated as schema

    return _digest_range(schema.Model.GetRootAsModel(content, 0)) is not None


def signed(content: bytes) -> bytes:
    """`content`, which has room for it, with the digest of its structure in that place."""
    from ai_edge_litert import schema_py_generated as schema

    span = _digest_range(schema.Model.GetRootAsModel(content, 0))
    assert span is not None, "the writer left no room for the digest"
    return content[: span[0]] + _digest(content) + content[span[1] :]


def read_model(path: Path) -> tuple[bytes, Any]:
    """The file's bytes and its tables as `ModelT`. Raises ArtefactError for a missing or damaged file."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror or "not readable") from error
    if content[IDENTIFIER_OFFSET : IDENTIFIER_OFFSET + len(IDENTIFIER)] != IDENTIFIER:
        raise _damaged(path, "no TFLite identifier")
    try:
        span = _digest_range(schema.Model.GetRootAsModel(content, 0))
        if span is not None and content[span[0] : span[1]] != _digest(content):
            raise _damaged(path, "its structure does not match its digest")
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        problem = _inconsistency(model)
    except MALFORMED as error:
        raise _damaged(path, f"not a flatbuffer of this schema: {error}") from error
    if problem is not None:
        raise _damaged(path, problem)
    return content, model


def _damaged(path: Path, detail: str) -> ArtefactError:
    return ArtefactError(got=f"{path}, {detail}", allowed="an undamaged .tflite file", do="convert the model again")


def _digest_range(model: Any) -> tuple[int, int] | None:
    """Where in the file the digest lies."""
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == DIGEST_NAME.encode():
            return _data_range(model.Buffers(entry.Buffer()))
    return None


def _data_range(buffer: Any) -> tuple[int, int] | None:
    """(start, end) of a buffer's data in the file; None for an empty one."""
    if buffer.DataIsNone():
        return None
    table = buffer._tab
    start = table.Vector(table.Offset(4))  # 4: the first field of a table, `data`
    return start, start + buffer.DataLength()


def _digest(content: bytes) -> bytes:
    """SHA-256, as hexadecimal digits, of everything but weights and the digest itself."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(content, 0)
    subgraph = model.Subgraphs(0)
    tensors = [subgraph.Tensors(index) for index in range(subgraph.TensorsLength())]
    weights = [tensor for tensor in tensors if tensor.Type() in WEIGHT_TYPES or tensor.Quantization() is not None]
    ranges = {_data_range(model.Buffers(tensor.Buffer())) for tensor in weights}
    digest, position = hashlib.sha256(), 0
    for start, end in sorted(span for span in (*ranges, _digest_range(model)) if span is not None):
        digest.update(content[position:start])
        position = end
    digest.update(content[position:])
    return digest.hexdigest().encode()


def _inconsistency(model: Any) -> str | None:
    """What is wrong between the tables of `model`, or None."""
    if not model.subgraphs or not model.buffers or not model.operatorCodes:
        return "without a graph"
    for subgraph in model.subgraphs:
        problem = _tensor_problem(subgraph.tensors, model.buffers)
        problem = problem or _operator_problem(subgraph, len(model.operatorCodes))
        if problem is not None:
            return problem
    return None


def _tensor_problem(tensors: Any, buffers: Any) -> str | None:
    for tensor in tensors:
        if not 0 <= tensor.buffer < len(buffers):
            return f"tensor {tensor.name!r} has no buffer"
        shape = [] if tensor.shape is None else [int(size) for size in tensor.shape]
        if min(shape, default=0) < 0:
            return f"tensor {tensor.name!r} has the shape {shape}"
        stored, size = buffers[tensor.buffer].data, BYTES_PER_ELEMENT.get(tensor.type)
        if stored is None or size is None or tensor.sparsity is not None:
            continue
        if len(stored) != math.prod(shape) * size:
            return f"tensor {tensor.name!r} has {len(stored)} bytes for the shape {shape}"
    return None


def _operator_problem(subgraph: Any, codes: int) -> str | None:
    count = len(subgraph.tensors)
    for name, indices in (("inputs", subgraph.inputs), ("outputs", subgraph.outputs)):
        if indices is None or not all(0 <= index < count for index in indices):
            return f"its {name} are no tensors"
    for number, operator in enumerate(subgraph.operators):
        if not 0 <= operator.opcodeIndex < codes:
            return f"operator {number} has no code"
        if operator.inputs is None or operator.outputs is None:
            return f"operator {number} has no tensors"
        if not all(-1 <= index < count for index in operator.inputs) or not all(
            0 <= index < count for index in operator.outputs
        ):
            return f"operator {number} reads or writes no tensor"
    return None
