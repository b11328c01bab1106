"""A file's own word on itself: what it says, and a digest that no byte can change without."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from converters.contract import Metadata
from converters.errors import ArtefactError
from converters.onnx.file import UNSIGNED, described, fields_of, read_model, signed, stated

FIELDS = {"description": "a net", "labels": ["Kürbis", "cat"]}


def model_of(onnx: ModuleType) -> Any:
    helper = onnx.helper
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2]) for name in ("image", "logits")]
    node = helper.make_node("Identity", ["image"], ["logits"])
    return helper.make_model(helper.make_graph([node], "main", ends[:1], ends[1:]))


def test_only_what_there_is_to_say_is_said() -> None:
    metadata = Metadata(description="a net", labels=("a", "b"), extra={"size": "64"})
    assert fields_of(metadata) == {"description": "a net", "labels": ("a", "b"), "extra": {"size": "64"}}
    assert fields_of(Metadata(description="")) == {}


def test_what_is_said_is_read_back(onnx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(signed(described(model_of(onnx), FIELDS)))
    assert stated(read_model(path)) == FIELDS


def test_the_digest_is_of_the_file_with_zeros_in_its_place(onnx: ModuleType) -> None:
    content = signed(described(model_of(onnx), FIELDS))
    (digest,) = (entry.value for entry in onnx.ModelProto.FromString(content).metadata_props if entry.key == "sha256")
    assert content.count(digest.encode()) == 1
    assert hashlib.sha256(content.replace(digest.encode(), UNSIGNED.encode())).hexdigest() == digest


def test_zeros_in_the_weights_are_not_taken_for_its_place(onnx: ModuleType, tmp_path: Path) -> None:
    model = model_of(onnx)
    model.graph.doc_string = UNSIGNED
    path = tmp_path / "m.onnx"
    path.write_bytes(signed(described(model, FIELDS)))
    assert read_model(path).graph.doc_string == UNSIGNED


def test_every_byte_counts(onnx: ModuleType, tmp_path: Path) -> None:
    content, path = signed(described(model_of(onnx), FIELDS)), tmp_path / "m.onnx"
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(ArtefactError, match=r"m\.onnx, which .*; allowed: an undamaged \.onnx file"):
            read_model(path)


@pytest.mark.parametrize("content", [None, b"", b"no protocol buffer"], ids=["missing", "empty", "text"])
def test_what_is_no_file_of_ours_is_refused(content: bytes | None, onnx: ModuleType, tmp_path: Path) -> None:
    assert onnx
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"m\.onnx, which"):
        read_model(path)


def test_another_writer_s_file_is_told_by_its_lack_of_a_digest(onnx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model_of(onnx).SerializeToString())
    with pytest.raises(ArtefactError, match="no digest of its bytes"):
        read_model(path)
