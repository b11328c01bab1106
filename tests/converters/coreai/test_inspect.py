"""What is told of an asset's functions, from what a worker says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.contract import Layout, TensorSpec
from converters.coreai import inspect as module
from converters.coreai.child import ChildError
from converters.coreai.inspect import inspect
from converters.errors import ArtefactError
from converters.files import size_bytes


def function(*shape: int, **counts: int) -> dict[str, Any]:
    return {
        "inputs": [{"name": "image", "shape": list(shape), "dtype": "float32"}],
        "outputs": [{"name": "logits", "shape": [1, 10], "dtype": "float32"}],
        "operations": counts,
        "modules": {"block.attention": {"broadcasting_batch_matmul": 2, "transpose": 3}, "head": {"linear": 1}},
        "stored": {"float16": 2},
        "made": {"float16": 3, "float32": 1},
    }


def said(monkeypatch: pytest.MonkeyPatch, **functions: dict[str, Any]) -> None:
    """With a process that says this of any asset; without functions, it refuses."""

    class Worker:
        def __init__(self, name: str, _path: str) -> None:
            assert name == "inspect_worker"

        def ask(self) -> bytes:
            if not functions:
                raise ChildError("the process ended by signal 11")
            return json.dumps(functions).encode()

    monkeypatch.setattr(module, "Child", Worker)


def test_one_function(asset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(monkeypatch, main=function(1, 3, 8, 6, conv2d=2, add=1))
    found = inspect(asset)
    assert found.inputs == (TensorSpec(name="image", shape=(1, 3, 8, 6), dtype="float32", layout=Layout.NCHW),)
    assert found.outputs == (TensorSpec(name="logits", shape=(1, 10), dtype="float32"),)
    assert (found.operations, found.dtypes) == ({"conv2d": 2, "add": 1}, {"float16": 5, "float32": 1})
    assert (found.bytes, found.delegation) == (size_bytes(asset), None)
    assert found.modules["head"] == {"linear": 1}
    assert found.notes[1:] == ("attention in block.attention: 2 products, 3 transpose, 0 reshape",)


def test_several_functions_are_counted_together_and_named(asset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(
        monkeypatch,
        size_8x6=function(1, 3, 8, 6, add=1),
        size_4x4=function(1, 3, 4, 4, add=1, conv2d=3),
    )
    found = inspect(asset)
    assert found.inputs[0].shape == (1, 3, 8, 6)
    assert list(found.operations.items()) == [("conv2d", 3), ("add", 2)]
    assert found.notes[1:3] == (
        "function size_8x6: image (1, 3, 8, 6)",
        "function size_4x4: image (1, 3, 4, 4)",
    )


def test_a_function_of_pixels_has_one_of_images_around_it(asset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = function(1, 8, 6, 3, conv2d=1)
    taken["inputs"][0]["dtype"] = "uint8"
    said(monkeypatch, pixels_main=taken)
    found = inspect(asset)
    assert found.inputs[0].layout is Layout.NHWC
    assert (
        found.notes[1]
        == "function main takes an image and hands its pixels to pixels_main; only that can be run on Linux"
    )


def test_what_core_ai_cannot_read_is_damaged(asset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(monkeypatch)
    with pytest.raises(
        ArtefactError, match=r"a\.aimodel, which Core AI cannot read \(the process ended by signal 11\)"
    ):
        inspect(asset)
