"""Reading a compiled file: the binary in it, whose it is, what is left on the CPU, and every kind of damage before anything runs it.

The files are made up here: the tables as LiteRT's compiler writes them, and a binary of a few words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from converters.errors import ArtefactError, NoRuntimeError
from converters.qualcomm.emulator import End
from converters.registry import find_target, target_of
from converters.tflite.compiled import Compiled
from converters.tflite.structure import DIGEST_NAME, UNSIGNED, signed

BYTECODE = b"\0\0\0\2graph" + b"".join(
    f"conv{n}_LiteRt_OpId_{n}\0conv{n}_LiteRt_OpId_{n}\0".encode() for n in range(12)
)
ROOM = 1 << 20
"""Offsets have that size in the first draft, so that the tables keep their length when they are known."""


def tensor(name: str, shape: list[int], buffer: int = 0) -> Any:
    table = schema.TensorT()
    table.name, table.shape, table.type, table.buffer = name, shape, schema.TensorType.FLOAT32, buffer
    return table


def operator(code: int, options: dict[str, object] | None) -> Any:
    table = schema.OperatorT()
    table.opcodeIndex, table.inputs, table.outputs = code, [0], [1]
    if options is not None:
        table.customOptions = list(flexbuffers.Dumps(options))
    return table


def custom(name: str) -> Any:
    table = schema.OperatorCodeT()
    table.builtinCode, table.customCode, table.version = schema.BuiltinOperator.CUSTOM, name, 1
    table.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    return table


def builtin(code: int) -> Any:
    table = schema.OperatorCodeT()
    table.builtinCode = table.deprecatedBuiltinCode = code
    return table


def buffer(content: bytes | None) -> Any:
    table = schema.BufferT()
    table.data = None if content is None else list(content)
    return table


def metadata(name: str, number: int) -> Any:
    table = schema.MetadataT()
    table.name, table.buffer = name, number
    return table


def tables(start: int, size: int, soc: str, left: bool, sealed: bool) -> bytes:
    model, subgraph = schema.ModelT(), schema.SubGraphT()
    model.version = 3
    model.operatorCodes = [custom("DISPATCH_OP"), builtin(schema.BuiltinOperator.SOFTMAX)]
    subgraph.tensors, subgraph.inputs, subgraph.outputs = [tensor("image", [1, 4]), tensor("logits", [1, 2])], [0], [1]
    subgraph.operators = [operator(0, {"bytecode_offset": start, "bytecode_size": size, "name": "graph"})]
    subgraph.operators += [operator(1, None)] if left else []
    model.subgraphs = [subgraph]
    stamp = b"Qualcomm".ljust(125, b"\0") + soc.encode().ljust(125, b"\0")
    model.buffers = [buffer(None), buffer(stamp), buffer(UNSIGNED)]
    model.metadata = [metadata("LiteRtStamp", 1)] + ([metadata(DIGEST_NAME, 2)] if sealed else [])
    builder = flatbuffers.Builder(1 << 12)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def content(*, soc: str = "SM8650", left: bool = False, sealed: bool = True, beyond: int = 0) -> bytes:
    start = len(tables(ROOM, ROOM, soc, left, sealed))
    written = tables(start, ROOM, soc, left, sealed)
    assert len(written) == start
    written = tables(start, len(BYTECODE) + beyond or ROOM, soc, left, sealed).ljust(start, b"\0")
    return signed(written + BYTECODE) if sealed else written + BYTECODE


def write(path: Path, **options: Any) -> Path:
    path.write_bytes(content(**options))
    return path


def test_the_binary_and_its_ends_are_found(tmp_path: Path) -> None:
    compiled = Compiled(write(tmp_path / "m.sm8650.tflite"))
    binary = compiled.binary()
    assert (compiled.soc, binary.graph, binary.content) == ("SM8650", "graph", BYTECODE)
    assert binary.inputs == (End(name="image", shape=(1, 4), dtype="float32"),)
    assert binary.outputs == (End(name="logits", shape=(1, 2), dtype="float32"),)


def test_what_the_npu_runs_is_counted_and_what_it_leaves_is_named(tmp_path: Path) -> None:
    target = find_target("tflite-sm8650")
    whole = target.inspect(write(tmp_path / "whole.sm8650.tflite")).delegation
    assert whole is not None
    assert (whole.delegate, whole.partitions, whole.delegated_ops, whole.total_ops) == (
        "Hexagon v75 of SM8650",
        1,
        12,
        12,
    )
    path = write(tmp_path / "part.sm8650.tflite", left=True)
    part = target.inspect(path).delegation
    assert part is not None
    assert (part.delegated_ops, part.total_ops, part.fallback[0].op) == (12, 13, "SOFTMAX")
    with pytest.raises(NoRuntimeError, match="1 parts of 2"):
        target.load(path)


def test_every_damaged_byte_is_found_before_anything_runs(tmp_path: Path) -> None:
    whole = content()
    path = tmp_path / "m.sm8650.tflite"
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        with pytest.raises(ArtefactError):
            Compiled(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(ArtefactError, match="digest"):
        find_target("tflite-sm8650").load(path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"soc": "SM8750"}, "compiled for SM8750"),
        ({"sealed": False}, "no digest"),
        ({"beyond": 5}, "binary would lie at"),
    ],
    ids=["another SoC", "another writer", "beyond the file"],
)
def test_what_is_not_such_a_file_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ArtefactError, match=said):
        find_target("tflite-sm8650").load(write(tmp_path / "m.sm8650.tflite", **options))


def test_a_portable_file_is_not_compiled(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no TFLite identifier"):
        Compiled(_other(tmp_path))
    assert target_of(Path("m.int8.sm8650.tflite")) == "tflite-sm8650"
    assert target_of(Path("m.int8.tflite")) == "tflite"


def _other(folder: Path) -> Path:
    path = folder / "m.tflite"
    path.write_bytes(b"something else")
    return path
