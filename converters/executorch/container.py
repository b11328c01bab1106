"""The .pte file around the delegate: one method that calls it, the constants it needs, and a digest of everything else.

The runtime checks that a file is a well-formed flatbuffer, but believes much of what its tables say. A file written here therefore
carries a SHA-256 of its structure: all bytes but the delegates' named constants, which are most of the file. Damage there is found
before native code sees the file; damage to named constants changes outputs, which is validation's business. Files of other writers
have no digest: they are checked for consistency, and run in another process first.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from executorch.exir import schema
from executorch.exir._serialize._flatbuffer_program import _flatbuffer_to_program
from executorch.exir._serialize._named_data_store import NamedDataStore
from executorch.exir._serialize._program import PTEFile, _get_extended_header, serialize_pte_binary
from executorch.exir.backend.compile_spec_schema import CompileSpec

from converters.contract import Metadata
from converters.errors import ArtefactError
from converters.executorch.constants import (
    SCALAR_TYPES,
    check_constants,
    constant_buffers,
    constant_values,
    tensor_value,
)
from converters.executorch.damage import damaged
from converters.executorch.delegate import Blob, StoredGraph, read_blob
from converters.executorch.graph import NUMPY_TYPES, Graph, Tensor
from converters.interface import Normalization

METHOD = "forward"
METADATA_METHOD = "metadata"
XNNPACK = "XnnpackBackend"
DIGEST_KEY = "structure.sha256"
MODULES_KEY = "modules.json.zlib"
UNSIGNED = b"0" * (2 * hashlib.sha256().digest_size)
HEAD_BYTES = 256
"""More than the header of a file takes."""

ALIGNMENT = 16
"""Bytes; what executorch aligns tensors and constants to."""

OUTPUT_KEY = "output"
"""What the output is called, in the metadata's `extra`: the format itself has no names."""

ONE_TENSOR = '{"type": null, "context": null, "children_spec": []}'
ONE_RESULT = f"[1, {ONE_TENSOR}]"
"""PyTorch's text for a result that is one value."""


def write_container(
    graph: Graph, blob: Blob, metadata: Metadata, backend: str = XNNPACK, specs: Mapping[str, bytes] | None = None
) -> bytes:
    """The .pte file whose method `forward` runs the delegate of that `backend`, compiled with `specs`, and whose method `metadata`
    returns `metadata` as JSON text.
    """
    constants = NamedDataStore()
    for key, content in blob.constants.items():
        constants.add_named_data(key, content, ALIGNMENT)
    constants.add_named_data(DIGEST_KEY, UNSIGNED, ALIGNMENT)
    if graph.operations:
        modules = json.dumps([operation.module for operation in graph.operations])
        constants.add_named_data(MODULES_KEY, zlib.compress(modules.encode()), ALIGNMENT)
    program = schema.Program(
        version=0,
        execution_plan=[_forward(graph, backend, specs or {}), _metadata(metadata)],
        constant_buffer=constant_buffers(graph.constants),
        backend_delegate_data=[schema.BackendDelegateInlineData(data=blob.graph)],
        segments=[],
        constant_segment=schema.SubsegmentOffsets(segment_index=0, offsets=[]),
        named_data=[],
    )
    file = PTEFile(program=program, named_data=constants.get_named_data_store_output())
    content = bytes(serialize_pte_binary(file, extract_delegate_segments=True))
    container = read_container(content)
    start, end = container.constant_ranges[DIGEST_KEY]
    return content[:start] + structure_digest(container) + content[end:]


def _forward(graph: Graph, backend: str, specs: Mapping[str, bytes]) -> Any:
    """The method that hands its inputs and the graph's constants to the delegate and returns the delegate's outputs.

    An input has no place in the planned memory: the runtime reads it where the caller has it, and copies nothing.
    """
    inputs = [tensor_value(tensor, SCALAR_TYPES[tensor.dtype]) for tensor in graph.inputs]
    outputs, memory = _planned_tensors(graph.outputs)
    tensors = [*inputs, *constant_values(graph.constants), *outputs]
    call = schema.DelegateCall(delegate_index=0, args=list(range(len(tensors))))
    delegate = schema.BackendDelegate(
        id=backend,
        processed=schema.BackendDelegateDataReference(location=schema.DataLocation.INLINE, index=0),
        compile_specs=[CompileSpec(key, value) for key, value in specs.items()],
    )
    return schema.ExecutionPlan(
        name=METHOD,
        container_meta_type=schema.ContainerMetadata(_arguments(len(inputs)), ONE_RESULT),
        values=tensors,
        inputs=list(range(len(inputs))),
        outputs=list(range(len(tensors) - len(outputs), len(tensors))),
        chains=[schema.Chain(inputs=[], outputs=[], instructions=[schema.Instruction(call)], stacktrace=None)],
        operators=[],
        delegates=[delegate],
        # Memory 0 is reserved; memory 1 holds the outputs.
        non_const_buffer_sizes=[0, memory],
        non_const_buffer_device=None,
    )


def _planned_tensors(tensors: Sequence[Tensor]) -> tuple[list[Any], int]:
    """Values with places in memory 1 one after the other, and how many bytes that takes."""
    values, offset = [], 0
    for tensor in tensors:
        place = schema.AllocationDetails(memory_id=1, memory_offset_low=offset % 2**32, memory_offset_high=offset >> 32)
        values.append(tensor_value(tensor, SCALAR_TYPES[tensor.dtype], allocation=place))
        size = math.prod(tensor.shape) * np.dtype(NUMPY_TYPES[tensor.dtype]).itemsize
        offset += -(-size // ALIGNMENT) * ALIGNMENT
    return values, offset


def _metadata(metadata: Metadata) -> Any:
    """A method without inputs or operations, as executorch writes methods that return a constant."""
    text = json.dumps(metadata.texts(), sort_keys=True)
    return schema.ExecutionPlan(
        name=METADATA_METHOD,
        container_meta_type=schema.ContainerMetadata(_arguments(0), ONE_RESULT),
        values=[schema.EValue(schema.String(text))],
        inputs=[],
        outputs=[0],
        chains=[schema.Chain(inputs=[], outputs=[], instructions=[], stacktrace=None)],
        operators=[],
        delegates=[],
        non_const_buffer_sizes=[0, 0],
        non_const_buffer_device=None,
    )


def _arguments(count: int) -> str:
    """PyTorch's text for a call with `count` tensors."""
    positional = (
        f'{{"type": "builtins.tuple", "context": "null", "children_spec": [{", ".join([ONE_TENSOR] * count)}]}}'
    )
    named = '{"type": "builtins.dict", "context": "[]", "children_spec": []}'
    return f'[1, {{"type": "builtins.tuple", "context": "null", "children_spec": [{positional}, {named}]}}]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A .pte file in parts. Ranges are (start, end) positions in `content`; `graphs` are those of XNNPACK delegates."""

    content: bytes
    program: Any
    segments: tuple[tuple[int, int], ...]
    graphs: tuple[StoredGraph, ...] = ()

    def method(self, name: str) -> Any:
        """The execution plan of a method, None if the file has no such method."""
        return next((plan for plan in self.program.execution_plan if plan.name == name), None)

    @property
    def plan(self) -> Any:
        """The execution plan of the method `forward`. Raises ArtefactError."""
        plan = self.method(METHOD)
        if plan is None:
            raise damaged(f"a .pte file without a method {METHOD!r}")
        return plan

    @property
    def constant_ranges(self) -> dict[str, tuple[int, int]]:
        """Where each named constant lies."""
        return {entry.key: self.segments[entry.segment_index] for entry in self.program.named_data or []}

    @property
    def constants(self) -> dict[str, bytes]:
        """The named constants, which delegates refer to."""
        return {key: self.content[start:end] for key, (start, end) in self.constant_ranges.items()}

    @property
    def modules(self) -> list[str]:
        """The path of the module that each operation of the delegate comes from; [] in files of other writers. Raises ArtefactError."""
        stored = self.constants.get(MODULES_KEY)
        try:
            return [] if stored is None else [str(path) for path in json.loads(zlib.decompress(stored))]
        except (zlib.error, ValueError, TypeError) as error:
            raise damaged(f"a list of modules that cannot be read ({error})") from error

    @property
    def description(self) -> dict[str, Any]:
        """The fields of `Metadata` that the file says of itself; {} in files of other writers. Raises ArtefactError."""
        plan = self.method(METADATA_METHOD)
        try:
            return {} if plan is None else dict(json.loads(plan.values[plan.outputs[0]].val.string_val))
        except (AttributeError, IndexError, ValueError, TypeError) as error:
            raise damaged(f"metadata that cannot be read ({error})") from error

    @property
    def normalization(self) -> Normalization | None:
        """How the file normalises the image that it takes, None where it takes a tensor. Raises ArtefactError."""
        plan = self.plan
        if [plan.values[index].val.scalar_type for index in plan.inputs] != [schema.ScalarType.BYTE]:
            return None
        try:
            return Normalization.from_metadata(self.description["extra"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(f"an input of 8-bit values without mean and std ({error})") from error

    @property
    def signed(self) -> bool:
        """Whether the file carries a digest of its structure, as all files of this writer do."""
        return DIGEST_KEY in self.constant_ranges

    def blob(self, delegate: Any) -> bytes:
        """What a delegate of `plan` was given."""
        reference = delegate.processed
        if reference.location == schema.DataLocation.SEGMENT:
            start, end = self.segments[reference.index]
            return self.content[start:end]
        return bytes(self.program.backend_delegate_data[reference.index].data)


def open_container(content: bytes) -> Container:
    """Takes a .pte file apart and checks it before native code sees it. Raises ArtefactError.

    executorch's reader answers malformed bytes with whatever its parsing stumbles over, so any error of it means damage.
    """
    try:
        container = read_container(content)
        check_digest(container)
        check_constants(container)
        return replace(container, graphs=tuple(checked_graphs(container)))
    except ArtefactError:
        raise
    except Exception as error:
        raise damaged(f"bytes that are not a program ({type(error).__name__}: {error})") from error


def read_container(content: bytes) -> Container:
    """Takes a .pte file apart, its graphs unread. Raises ArtefactError, and anything else for malformed bytes."""
    header = _get_extended_header(content[:HEAD_BYTES])  # which would copy all that it is given
    if header is None or not header.program_size <= len(content):
        raise damaged("bytes without the header of a .pte file")
    program = _flatbuffer_to_program(content[: header.program_size])
    base = header.segment_base_offset
    segments = tuple(
        (base + segment.offset, base + segment.offset + segment.size) for segment in program.segments or []
    )
    if any(end > len(content) for _, end in segments):
        raise damaged(f"a .pte file of {len(content)} bytes, cut off before its last segment ends")
    return Container(content=content, program=program, segments=segments)


def check_digest(container: Container) -> None:
    """Compares the structure with its digest; files of this writer, known by their second method, must have one."""
    if not container.signed and container.method(METADATA_METHOD) is None:
        return
    if container.constants.get(DIGEST_KEY) != structure_digest(container):
        raise damaged("a .pte file whose structure does not match its digest")


def checked_graphs(container: Container) -> list[StoredGraph]:
    """The graph of every XNNPACK delegate, checked against the constants. Raises ArtefactError."""
    constants = container.constants
    graphs = [read_blob(container.blob(delegate)) for delegate in container.plan.delegates if delegate.id == XNNPACK]
    for graph in graphs:
        graph.check(constants)
    return graphs


def structure_digest(container: Container) -> bytes:
    """SHA-256, as hexadecimal digits, of everything but the named constants."""
    digest, position = hashlib.sha256(), 0
    for start, end in sorted(set(container.constant_ranges.values())):
        digest.update(container.content[position:start])
        position = end
    digest.update(container.content[position:])
    return digest.hexdigest().encode()


def read_file(path: Path) -> bytes:
    """The bytes of a .pte file. Raises ArtefactError when there is none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise damaged(f"no readable file at {path} ({error.strerror})") from error
