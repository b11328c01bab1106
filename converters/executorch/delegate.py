"""The blob of an XNNPACK delegate: written from a graph with executorch's own serialiser, and read back without loss."""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from executorch.backends.xnnpack.serialization import xnnpack_graph_schema as schema
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import (
    XNNHeader,
    _get_schema_bytes,
    serialize_xnnpack_binary,
)
from executorch.exir._serialize import _dataclass
from executorch.exir._serialize._flatbuffer import _get_flatc_path

from converters.errors import ToolchainError
from converters.executorch.damage import damaged
from converters.executorch.graph import NUMPY_TYPES, PACKED_FIELDS, DataType, Graph, Operation, Tensor

NO_VALUE = 2**32 - 1
NO_OFFSET = 2**64 - 1
EXTERNAL_INPUT, EXTERNAL_OUTPUT = 1, 2
INPUT_FIELDS = (
    *(f"input{suffix}_id" for suffix in ("", "1", "2", "3", "4", "5")),
    "filter_id",
    "bias_id",
    "query_id",
    "key_id",
    "value_id",
    "scale_id",
    "mask_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """What the delegate gets: its graph's bytes, and the constants that the graph refers to by key."""

    graph: bytes
    constants: dict[str, bytes]


def write_blob(graph: Graph) -> Blob:
    """The delegate's form of `graph`. The same graph gives the same bytes. Raises ToolchainError for constants that must not be in it."""
    writer = _Writer(graph)
    with remembered_types():
        blob = Blob(graph=serialize_xnnpack_binary(writer.document, bytearray()), constants=writer.constants)
    refuse_unpacked(read_blob(blob.graph))
    return blob


@contextmanager
def remembered_types() -> Iterator[None]:
    """Within it executorch's encoder works out the types of a class once, and not for every field of every object: four fifths of the time
    that a delegate takes.
    """
    worked_out = _dataclass.get_type_hints
    _dataclass.get_type_hints = cache(worked_out)
    try:
        yield
    finally:
        _dataclass.get_type_hints = worked_out


def refuse_unpacked(graph: StoredGraph) -> None:
    """Raises ToolchainError for a delegate with constants that a runtime may free before they are read."""
    unpacked = graph.unpacked()
    if unpacked:
        raise ToolchainError(
            got=f"a delegate with constants inside that XNNPACK does not pack, of {', '.join(sorted(set(unpacked)))}",
            allowed="constants inside as weights and biases only; others are handed in by the program",
            do="report this as a fault of the converter",
        )


class _Writer:
    """Numbers the tensors of a graph and translates everything into executorch's classes."""

    def __init__(self, graph: Graph) -> None:
        self.constants: dict[str, bytes] = {}
        self._packings: dict[bytes, list[str]] = {}
        handed_in = (*graph.inputs, *graph.constants)
        self._external = {id(tensor): number for number, tensor in enumerate((*handed_in, *graph.outputs))}
        self._outputs = {id(tensor) for tensor in graph.outputs}
        tensors = graph.tensors()
        self._ids = {id(tensor): number for number, tensor in enumerate(tensors)}
        # Entry 0 means "not a constant".
        self._entries = [schema.ConstantDataOffset(offset=0, size=0)]
        self.document = schema.XNNGraph(
            version="0",
            xnodes=[self._node(operation, number) for number, operation in enumerate(graph.operations)],
            xvalues=[self._value(tensor) for tensor in tensors],
            num_externs=len(self._external),
            input_ids=[self._ids[id(tensor)] for tensor in handed_in],
            output_ids=[self._ids[id(tensor)] for tensor in graph.outputs],
            constant_data=self._entries,
        )

    def _node(self, operation: Operation, number: int) -> Any:
        inputs = {
            name: NO_VALUE if tensor is None else self._ids[id(tensor)] for name, tensor in operation.inputs.items()
        }
        union = getattr(schema, f"XNN{operation.kind}")(
            **inputs, **operation.fields, output_id=self._ids[id(operation.output)]
        )
        limits = None if operation.clamp is None else schema.OutputMinMax(*map(_json_float, operation.clamp))
        return schema.XNode(xnode_union=union, debug_handle=number, output_min_max=limits)

    def _value(self, tensor: Tensor) -> Any:
        external = self._external.get(id(tensor), NO_VALUE)
        inside = external == NO_VALUE
        flags = 0 if inside else EXTERNAL_OUTPUT if id(tensor) in self._outputs else EXTERNAL_INPUT
        value = schema.XNNTensorValue(
            datatype=getattr(schema.XNNDatatype, f"xnn_datatype_{tensor.dtype}"),
            num_dims=len(tensor.shape),
            dims=list(tensor.shape),
            constant_buffer_idx=self._constant(tensor.data.tobytes(), tensor.packing)
            if inside and tensor.data is not None
            else 0,
            external_id=external,
            flags=flags,
            id_out=self._ids[id(tensor)],
        )
        parameters = self._quantization(tensor)
        if parameters is not None:
            value = schema.XNNQuantizedTensorValue(tensor_value=value, quant_params=parameters)
        return schema.XValue(xvalue_union=value)

    def _quantization(self, tensor: Tensor) -> Any:
        quantization = tensor.quantization
        if quantization is None:
            return None
        if tensor.dtype in (DataType.QINT8, DataType.QUINT8):
            return schema.PerTensorQuant(scale=quantization.scale, zero_point=quantization.zero_point)
        scales = np.array(quantization.scales, np.float32)
        return schema.PerChannelQuant(
            scale=[],
            channel_dim=quantization.axis,
            scale_buffer_idx=self._constant(scales.tobytes()),
            num_scales=len(scales),
        )

    def _constant(self, content: bytes, packing: str = "") -> int:
        """Index of a new entry for `content`, whose key is its digest and that of how it is packed.

        A runtime that has the file in memory finds a key again by the address of its bytes: equal bytes under other keys are made
        longer, so that they are not stored as one.
        """
        key = hashlib.sha256(packing.encode() + content).hexdigest()
        packings = self._packings.setdefault(content, [])
        if packing not in packings:
            packings.append(packing)
        content += bytes(packings.index(packing))
        self.constants[key] = content
        self._entries.append(schema.ConstantDataOffset(offset=NO_OFFSET, size=len(content), named_key=key))
        return len(self._entries) - 1


def _json_float(value: float) -> float | str:
    """`value` in the form that flatc reads: JSON has no infinities."""
    return value if math.isfinite(value) else f"{'+' if value > 0 else '-'}inf"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNode:
    """An operation as it was read: its kind, and the ids of what it reads and writes. Of what it reads, XNNPACK copies the `packed`."""

    kind: str
    inputs: tuple[int, ...]
    output: int
    packed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValue:
    """A tensor as it was read. `key` and `size` (bytes) describe its constant data, if it has any; `scale` and `zero_point` its
    quantization, or `scales_key` the constant that holds the scale of each channel.
    """

    shape: tuple[int, ...]
    dtype: str
    key: str | None = None
    size: int = 0
    scale: float | None = None
    zero_point: int | None = None
    scales_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGraph:
    """The graph of a delegate as it was read from a file."""

    nodes: tuple[StoredNode, ...]
    values: dict[int, StoredValue]

    def check(self, constants: dict[str, bytes]) -> None:
        """Refuses a graph that refers to what is not there, which native code would trust. Raises ArtefactError."""
        for node in self.nodes:
            if not self.values.keys() >= {*node.inputs, node.output}:
                raise damaged(f"a {node.kind} operation on tensors that do not exist")
        for value in self.values.values():
            if value.key is None:
                continue
            if value.dtype not in NUMPY_TYPES:
                raise damaged(f"a constant of type {value.dtype!r}")
            needed = math.prod(value.shape) * np.dtype(NUMPY_TYPES[value.dtype]).itemsize
            if len(constants.get(value.key, b"")) < max(needed, value.size):
                raise damaged(f"a constant of shape {value.shape} that is missing or too short")

    def unpacked(self) -> list[str]:
        """The kinds of the operations that read a constant inside the delegate which XNNPACK does not pack."""
        constant = {number for number, value in self.values.items() if value.size}
        return [node.kind for node in self.nodes if constant & {*node.inputs} - {*node.packed}]


def read_blob(blob: bytes) -> StoredGraph:
    """The graph in a delegate's blob. Raises ArtefactError for bytes that are not one."""
    try:
        header = XNNHeader.from_bytes(blob[: XNNHeader.EXPECTED_LENGTH])
    except ValueError as error:
        raise damaged(str(error)) from error
    start, end = header.flatbuffer_offset, header.flatbuffer_offset + header.flatbuffer_size
    if not (header.is_valid() and end <= len(blob)):
        raise damaged("an XNNPACK graph that reaches beyond its blob")
    try:
        return _stored_graph(_decompiled(blob[start:end]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise damaged(f"an XNNPACK graph with missing parts ({error})") from error


def _decompiled(flatbuffer: bytes) -> dict[str, Any]:
    """The schema's document in a flatbuffer, by executorch's own flatc. Raises ArtefactError when it refuses the bytes."""
    with tempfile.TemporaryDirectory() as folder:
        binary, text, rules = (Path(folder) / name for name in ("graph.bin", "graph.json", "schema.fbs"))
        binary.write_bytes(flatbuffer)
        # As JSON has no infinities, floats are read as the bit patterns that they are.
        rules.write_bytes(re.sub(rb"\bfloat\b", b"uint", _get_schema_bytes()))
        options = ("--json", "--strict-json", "--defaults-json", "-o", folder)
        completed = subprocess.run(
            [_get_flatc_path(), *options, str(rules), "--", str(binary)], capture_output=True, check=False
        )
        if completed.returncode:
            raise damaged("an XNNPACK graph that flatc cannot read")
        document: dict[str, Any] = json.loads(text.read_bytes())
        return document


def _stored_graph(document: dict[str, Any]) -> StoredGraph:
    nodes = []
    for node in document["xnodes"]:
        fields = node["xnode_union"]
        inputs = {name: fields[name] for name in INPUT_FIELDS if fields.get(name, NO_VALUE) != NO_VALUE}
        packed = (number for name, number in inputs.items() if name in PACKED_FIELDS)
        kind = str(node["xnode_union_type"]).removeprefix("XNN")
        nodes.append(
            StoredNode(kind=kind, inputs=tuple(inputs.values()), output=fields["output_id"], packed=tuple(packed))
        )
    values = {}
    for value in document["xvalues"]:
        tensor = value["xvalue_union"].get("tensor_value", value["xvalue_union"])
        buffer = tensor["constant_buffer_idx"]
        entry = document["constant_data"][buffer] if buffer else {}
        values[tensor["id_out"]] = StoredValue(
            shape=tuple(tensor["dims"]),
            dtype=str(tensor["datatype"]).removeprefix("xnn_datatype_"),
            key=entry.get("named_key"),
            size=entry.get("size", 0),
            **_stored_quantization(document, value["xvalue_union"].get("quant_params", {})),
        )
    return StoredGraph(nodes=tuple(nodes), values=values)


def _stored_quantization(document: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The fields of a StoredValue that describe its quantization. Floats are bit patterns here, see `_decompiled`."""
    if "zero_point" in parameters:
        scale = float(np.uint32(parameters["scale"]).view(np.float32))
        return {"scale": scale, "zero_point": parameters["zero_point"]}
    buffer = parameters.get("scale_buffer_idx")
    return {"scales_key": document["constant_data"][buffer].get("named_key")} if buffer else {}
