"""What is in a function, told from objects like those of Apple's bindings."""

from __future__ import annotations

import io
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from converters.coreai import inspect_worker
from converters.coreai.child import Parent, receive
from converters.coreai.inspect_worker import described, ends, kind, tensor


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("tensor<1x3x224x192xf32>", ([1, 3, 224, 192], "float32")),
        ("tensor<7xf16>", ([7], "float16")),
        ("tensor<si8>", ([], "int8")),
        ("tensor<2xui32, #encoding>", ([], "tensor<2xui32, #encoding>")),
        ("tensor<16x8xui4>", ([16, 8], "uint4")),
        ("tensor<16x8x1x1xui6>", ([16, 8, 1, 1], "uint6")),
        ("tensor<4xbf16>", ([4], "bf16")),
        ("!coreai.token", ([], "!coreai.token")),
    ],
)
def test_types_as_mlir_spells_them(spelled: str, expected: tuple[list[int], str]) -> None:
    assert tensor(spelled) == expected


def operation(name: str, *types: str, module: str = "", **attributes: str) -> SimpleNamespace:
    return SimpleNamespace(
        name=name,
        attributes=attributes,
        results=[SimpleNamespace(type=one) for one in types],
        location=f'loc({{"call_stack": ["{module}"]}})',
    )


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (operation("coreai.conv2d"), "conv2d"),
        (operation("coreai.decomposable.softmax"), "softmax"),
        (operation("coreai.invoke", callee="@hard_sigmoid_12"), "hard_sigmoid"),
        (operation("coreai.invoke", callee="@module::@layer_norm_0"), "layer_norm"),
        (operation("arith.addf"), "arith.addf"),
    ],
)
def test_operations_are_called_without_dialect_and_number(one: Any, name: str) -> None:
    assert kind(one) == name


def graph_of(*inside: SimpleNamespace) -> SimpleNamespace:
    block = SimpleNamespace(operations=[SimpleNamespace(operation=one) for one in inside])
    named = [[{"coreai.name": SimpleNamespace(value=name)}] for name in ("image", "logits")]
    signature = SimpleNamespace(inputs=["tensor<1x3x8x8xf32>"], results=["tensor<1x10xf32>"])
    return SimpleNamespace(
        operation=SimpleNamespace(regions=[SimpleNamespace(blocks=[block])]),
        function_type=SimpleNamespace(value=signature),
        arg_attrs=named[0],
        res_attrs=named[1],
    )


GRAPH = graph_of(
    operation("coreai.constant", "tensor<4xf16>"),
    operation("coreai.constant", "tensor<4xsi8>"),
    operation("coreai.cast", "tensor<1x3x8x8xf16>"),
    operation("coreai.conv2d", "tensor<1x4x8x8xf16>", module="stem"),
    operation("coreai.split", "tensor<1x2x8x8xf16>", "tensor<1x2x8x8xf16>", module="stem"),
    operation("coreai.output"),
)


def test_a_function_is_its_ends_operations_and_types() -> None:
    found = described(GRAPH)
    assert found["inputs"] == [{"name": "image", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    assert found["outputs"] == [{"name": "logits", "shape": [1, 10], "dtype": "float32"}]
    assert found["operations"] == {"cast": 1, "conv2d": 1, "split": 1}
    assert found["modules"] == {"": {"cast": 1}, "stem": {"conv2d": 1, "split": 1}}
    assert found["stored"] == {"float16": 1, "int8": 1}
    assert found["made"] == {"float16": 4}


def test_a_name_and_a_type_for_each_end() -> None:
    with pytest.raises(ValueError, match="zip"):
        ends([], ["tensor<1xf32>"])


def test_the_parent_is_told_of_every_function(monkeypatch: pytest.MonkeyPatch) -> None:
    asset = SimpleNamespace(
        summary=lambda *, include_statistics: SimpleNamespace(function_names=[f"a{include_statistics}", "b"]),
        program=SimpleNamespace(_get_graph=lambda _name: GRAPH),
    )
    authoring = ModuleType("coreai.authoring")
    authoring.AIModelAsset = SimpleNamespace(load=lambda path: {"m.aimodel": asset}[path])  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "coreai", ModuleType("coreai"))
    monkeypatch.setitem(sys.modules, "coreai.authoring", authoring)
    answers = io.BytesIO()
    inspect_worker.serve("m.aimodel", Parent(answers))
    answers.seek(0)
    answer = receive(answers)
    assert answer is not None
    assert answer[:1] == b"="
    assert list(json.loads(answer[1:])) == ["aFalse", "b"]
