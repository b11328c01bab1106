"""Constant tensors of a program: what is handed to a delegate at every run beside the inputs.

Their bytes lie in a segment of the file that the runtime keeps as long as the program, whatever it does to a delegate's own data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from executorch.exir import schema

from converters.executorch.damage import damaged
from converters.executorch.graph import DataType, Tensor

if TYPE_CHECKING:
    from converters.executorch.container import Container

SCALAR_TYPES = {
    DataType.FP32: schema.ScalarType.FLOAT,
    DataType.FP16: schema.ScalarType.HALF,
    DataType.QINT8: schema.ScalarType.CHAR,
    DataType.QUINT8: schema.ScalarType.BYTE,
}
ITEM_BYTES = {
    **dict.fromkeys((schema.ScalarType.HALF, schema.ScalarType.BFLOAT16, schema.ScalarType.SHORT), 2),
    **dict.fromkeys((schema.ScalarType.FLOAT, schema.ScalarType.INT), 4),
    **dict.fromkeys((schema.ScalarType.DOUBLE, schema.ScalarType.LONG), 8),
}
"""Of the types in other writers' files as well; of any other type at least 1."""
NO_DATA = b""
"""Buffer 0 belongs to the tensors whose data comes at run time."""


def constant_buffers(constants: Sequence[Tensor]) -> list[Any]:
    """The program's buffers, equal bytes once. That of a constant is found by `buffer_index`."""
    return [schema.Buffer(storage=content) for content in _contents(constants)]


def constant_values(constants: Sequence[Tensor]) -> list[Any]:
    """The program's values that stand for `constants`."""
    places = {content: index for index, content in enumerate(_contents(constants))}
    return [tensor_value(tensor, SCALAR_TYPES[tensor.dtype], buffer=places[_content(tensor)]) for tensor in constants]


def tensor_value(tensor: Tensor, scalar_type: Any, *, buffer: int = 0, allocation: Any = None) -> Any:
    """A value of the program for `tensor`: a constant in a `buffer`, planned memory under `allocation`, else the caller's memory."""
    return schema.EValue(
        schema.Tensor(
            scalar_type=scalar_type,
            storage_offset=0,
            sizes=list(tensor.shape),
            dim_order=list(range(len(tensor.shape))),
            requires_grad=False,
            layout=0,
            data_buffer_idx=buffer,
            allocation_info=allocation,
            shape_dynamism=schema.TensorShapeDynamism.STATIC,
        )
    )


def check_constants(container: Container) -> None:
    """Refuses a program with a constant tensor that its buffer is too short for. Raises ArtefactError."""
    room = buffer_bytes(container)
    for tensor in constant_tensors(container.plan):
        needed = math.prod(tensor.sizes) * ITEM_BYTES.get(tensor.scalar_type, 1)
        if tensor.data_buffer_idx >= len(room) or room[tensor.data_buffer_idx] < needed:
            raise damaged(f"a constant tensor of shape {tuple(tensor.sizes)} that is missing or too short")


def buffer_bytes(container: Container) -> list[int]:
    """How many bytes lie between the beginning of each buffer and the end of what the runtime keeps of the file."""
    stored = container.program.constant_segment
    if not stored.offsets:  # an old writer's file, with the buffers inside the program
        return [len(buffer.storage) for buffer in container.program.constant_buffer]
    start, end = container.segments[stored.segment_index]
    return [end - start - offset for offset in stored.offsets]


def constant_tensors(plan: Any) -> Iterator[Any]:
    """The constant tensors of a method."""
    for value in plan.values:
        if isinstance(value.val, schema.Tensor) and value.val.data_buffer_idx:
            yield value.val


def _contents(constants: Sequence[Tensor]) -> list[bytes]:
    return list(dict.fromkeys((NO_DATA, *map(_content, constants))))


def _content(tensor: Tensor) -> bytes:
    assert tensor.data is not None
    return tensor.data.tobytes()
