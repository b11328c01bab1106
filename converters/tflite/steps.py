"""The steps of a .tflite file, each from codes to codes, side by side in a file of their own: every one of them then runs on inputs that
are given to it, not on what the one before has made of its own errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from converters.tflite.graph import DataType
from converters.tflite.structure import DIGEST_NAME, IDENTIFIER, UNSIGNED, signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What makes one int8 tensor, `result`: operators by their numbers, float ones between codes among them, and the tensors that they
    read, which are int8 or the file's input.
    """

    operators: tuple[int, ...]
    reads: tuple[int, ...]
    result: int


def steps_of(subgraph: Any) -> list[Step]:
    """Every step, in the order of the file."""
    producers = {int(index): number for number, operator in enumerate(subgraph.operators) for index in operator.outputs}
    return [_step(subgraph, producers, index) for index in producers if is_codes(subgraph.tensors[index])]


def is_codes(tensor: Any) -> bool:
    return bool(tensor.type == DataType.INT8)


def _step(subgraph: Any, producers: dict[int, int], result: int) -> Step:
    numbers: set[int] = set()
    reads: dict[int, None] = {}
    pending = [producers[result]]
    while pending:
        number = pending.pop()
        if number in numbers:
            continue
        numbers.add(number)
        for index in map(int, subgraph.operators[number].inputs):
            if index in producers and not is_codes(subgraph.tensors[index]):
                pending.append(producers[index])
            elif index in producers or index in subgraph.inputs:
                reads[index] = None
    return Step(operators=tuple(sorted(numbers)), reads=tuple(reads), result=result)


def side_by_side(model: Any, steps: Sequence[Step]) -> bytes:
    """A file of these steps of `model`, whose inputs are what each of them reads, and whose outputs are their results."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    source, cut = model.subgraphs[0], schema.SubGraphT()
    cut.name, cut.tensors, cut.inputs, cut.outputs, cut.operators = "steps", [], [], [], []
    for number, step in enumerate(steps):
        copies = _Copies(source, cut, number)
        cut.inputs += [copies.of(index) for index in step.reads]
        cut.operators += [copies.operator(source.operators[index]) for index in step.operators]
        cut.outputs.append(copies.of(step.result))
    whole = schema.ModelT()
    whole.version, whole.operatorCodes, whole.subgraphs = model.version, model.operatorCodes, [cut]
    needed = {tensor.buffer for tensor in cut.tensors}
    whole.buffers = [each if number in needed else _buffer(b"") for number, each in enumerate(model.buffers)]
    digest = schema.MetadataT()
    digest.name, digest.buffer = DIGEST_NAME, len(whole.buffers)
    whole.buffers.append(_buffer(UNSIGNED))
    whole.metadata = [digest]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(whole.Pack(builder), IDENTIFIER)
    return signed(bytes(builder.Output()))


class _Copies:
    """The tensors of one step in the file of all: constants, too, of its own, so that no two steps hang together."""

    def __init__(self, source: Any, cut: Any, number: int) -> None:
        self._source, self._cut, self._number = source, cut, number
        self._known: dict[int, int] = {}

    def of(self, index: int) -> int:
        """Where the tensor `index` of the source is in the new file."""
        from ai_edge_litert import schema_py_generated as schema

        if index < 0:
            return index
        if index not in self._known:
            original, copy = self._source.tensors[index], schema.TensorT()
            vars(copy).update(vars(original))
            copy.name = f"{self._number}/{index}"
            self._known[index] = len(self._cut.tensors)
            self._cut.tensors.append(copy)
        return self._known[index]

    def operator(self, original: Any) -> Any:
        from ai_edge_litert import schema_py_generated as schema

        copy = schema.OperatorT()
        vars(copy).update(vars(original))
        copy.inputs = [self.of(int(index)) for index in original.inputs]
        copy.outputs = [self.of(int(index)) for index in original.outputs]
        return copy


def _buffer(content: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    table = schema.BufferT()
    table.data = list(content) or None
    return table
