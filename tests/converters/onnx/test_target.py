"""ONNX as a target: what its runner does with images, and what it says of a file. Whole files: tests/qualcomm/test_onnx_format.py."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from converters.contract import Layout, TensorSpec
from converters.errors import ArtefactError
from converters.onnx import target
from converters.onnx.file import described, signed
from converters.onnx.target import OnnxRunner, OnnxTarget, input_spec, output_spec

IMAGE = TensorSpec(name="image", shape=(1, 1, 1, 4), dtype="float32", layout=Layout.NCHW)
INTEGER = TensorSpec(name="image", shape=(1, 1, 1, 4), dtype="int8", scale=0.5, zero_point=3)


def images(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 1, 1, 4)


def test_images_run_one_after_the_other() -> None:
    given = []

    def run(image: np.ndarray) -> tuple[np.ndarray, ...]:
        given.append(image.shape)
        return (image.sum(3, keepdims=True) * 2,)

    found = OnnxRunner(run, IMAGE, IMAGE)(images([1, 2, 3, 4], [0, 0, 0, 1]))
    assert found.flatten().tolist() == [20, 2]
    assert given == [(1, 1, 1, 4)] * 2


def test_an_integer_file_is_given_codes_and_its_codes_are_read() -> None:
    """Steps of 0.5 from 3: halves of a step go to the even one, and what lies outside is clipped."""
    given = []

    def run(image: np.ndarray) -> tuple[np.ndarray, ...]:
        given.append(image)
        return (image,)

    taken = TensorSpec(name="logits", shape=(1, 4), dtype="int8", scale=0.25, zero_point=-1)
    found = OnnxRunner(run, INTEGER, taken)(images([0.25, 0.75, -1000, 1000]))
    assert given[0].dtype == np.int8
    assert given[0].flatten().tolist() == [3, 5, -128, 127]
    assert (found.dtype, found.flatten().tolist()) == (np.float32, [1.0, 1.5, -31.75, 32.0])


@pytest.mark.parametrize("shape", [(1, 1, 1, 5), (1, 3, 1, 4), (1, 1, 4), (0, 1, 1, 4)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"allowed: \(B, 1, 1, 4\)"):
        OnnxRunner(lambda image: (image,), IMAGE, IMAGE)(np.zeros(shape, np.float32))


def test_what_is_missing_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "find_spec", lambda name: None if name == "onnxruntime" else object())
    assert OnnxTarget().missing() == "onnxruntime not installed: run pip install 'evit-mobile[onnx]'"
    monkeypatch.setattr(target, "find_spec", lambda _name: None)
    assert str(OnnxTarget().missing()).startswith("onnx and onnxruntime not installed")
    monkeypatch.setattr(target, "find_spec", lambda _name: object())
    assert OnnxTarget().missing() is None


def model_of(onnx: ModuleType, *, integer: bool) -> Any:
    """image -> [Dequantize] Relu [Quantize] -> Identity -> logits, as `to_bytes` writes ends."""
    helper, kind = onnx.helper, onnx.TensorProto.INT8 if integer else onnx.TensorProto.FLOAT
    numbers = [
        onnx.numpy_helper.from_array(np.array(value, dtype), name)
        for name, value, dtype in (
            ("s", 0.5, np.float32),
            ("z", 3, np.int8),
            ("t", 2.0, np.float32),
            ("y", -4, np.int8),
        )
    ]
    kinds = [
        ("DequantizeLinear", ["image", "s", "z"], "a"),
        ("Relu", ["a"], "b"),
        ("QuantizeLinear", ["b", "t", "y"], "c"),
        ("Identity", ["c"], "logits"),
    ]
    if not integer:
        kinds = [("Relu", ["image"], "b"), ("Identity", ["b"], "logits")]
    nodes = [helper.make_node(kind, given, [name]) for kind, given, name in kinds]
    ends = [
        helper.make_tensor_value_info("image", kind, [1, 3, 4, 4]),
        helper.make_tensor_value_info("logits", kind, [1, 10]),
    ]
    graph = helper.make_graph(nodes, "main", ends[:1], ends[1:], numbers if integer else [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def test_integer_ends_have_the_numbers_beside_them(onnx: ModuleType) -> None:
    model = model_of(onnx, integer=True)
    assert input_spec(model) == TensorSpec(
        name="image", shape=(1, 3, 4, 4), dtype="int8", layout=Layout.NCHW, scale=0.5, zero_point=3
    )
    assert output_spec(model) == TensorSpec(name="logits", shape=(1, 10), dtype="int8", scale=2.0, zero_point=-4)


def test_float_ends_have_none(onnx: ModuleType) -> None:
    model = model_of(onnx, integer=False)
    assert input_spec(model) == TensorSpec(name="image", shape=(1, 3, 4, 4), dtype="float32", layout=Layout.NCHW)
    assert output_spec(model) == TensorSpec(name="logits", shape=(1, 10), dtype="float32")


def test_what_is_in_a_file(onnx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(signed(described(model_of(onnx, integer=True), {})))
    found = OnnxTarget().inspect(path)
    assert found.operations == {"DequantizeLinear": 1, "Relu": 1, "QuantizeLinear": 1, "Identity": 1}
    assert found.dtypes == {"float32": 2, "int8": 2}
    assert (found.bytes, found.notes, found.delegation) == (path.stat().st_size, ("opset 20",), None)
    for read in (OnnxTarget().load, OnnxTarget().inspect):
        with pytest.raises(ArtefactError, match="gone"):
            read(tmp_path / "gone.onnx")
