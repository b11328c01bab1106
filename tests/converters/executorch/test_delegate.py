"""The delegate's bytes: what is written is read back, and what native code would trust is checked."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib import import_module
from typing import get_type_hints

import numpy as np
import pytest

from converters.contract import Precision
from converters.errors import ArtefactError, ToolchainError
from converters.executorch.graph import DataType, Graph, Operation, Tensor
from converters.lowering.values import Quantization
from tests.converters.executorch.constant_models import old_form
from tests.lazily import Lazily

containers = Lazily("converters.executorch.container")
delegates = Lazily("converters.executorch.delegate")


def test_a_constant_that_is_too_short_is_refused(small: bytes) -> None:
    """Files of other writers have no digest: what native code would believe is checked against the file."""
    (graph,) = containers.open_container(small).graphs
    constants = dict(containers.open_container(small).constants)
    key = next(value.key for value in graph.values.values() if value.key is not None)
    constants[key] = constants[key][:-4]
    with pytest.raises(ArtefactError, match="too short"):
        graph.check(constants)
    del constants[key]
    with pytest.raises(ArtefactError, match="missing"):
        graph.check(constants)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_a_constant_inside_the_delegate_is_caught_before_it_is_written(precision: Precision) -> None:
    with pytest.raises(ToolchainError, match=r"XNNPACK does not pack, of Add"):
        delegates.write_blob(old_form(precision))


def small_graph() -> Graph:
    """A clamped layer with int8 weights, and a sum."""
    x = Tensor(shape=(2, 3), dtype=DataType.QINT8, quantization=Quantization(scales=(0.1,), zero_point=-7))
    weight = Tensor(
        shape=(4, 3),
        dtype=DataType.QCINT8,
        quantization=Quantization(scales=(0.5, 0.25, 0.125, 3.0)),
        data=np.arange(12, dtype=np.int8).reshape(4, 3),
    )
    middle, y = (Tensor(shape=(2, 4), dtype=DataType.QINT8, quantization=x.quantization) for _ in range(2))
    layer = Operation(
        kind="FullyConnected",
        inputs={"input1_id": x, "filter_id": weight, "bias_id": None},
        output=middle,
        fields={"flags": 0},
        clamp=(0.0, math.inf),
    )
    total = Operation(kind="Add", inputs={"input1_id": middle, "input2_id": middle}, output=y, fields={"flags": 0})
    return Graph(inputs=[x], outputs=[y], operations=[layer, total])


def test_types_of_a_class_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    worked_out: list[type] = []

    def counted(kind: type) -> dict[str, object]:
        worked_out.append(kind)
        return get_type_hints(kind)

    encoder = import_module("executorch.exir._serialize._dataclass")
    monkeypatch.setattr(encoder, "get_type_hints", counted)
    delegates.write_blob(small_graph())
    assert len(worked_out) == len(set(worked_out)) > 3
    assert encoder.get_type_hints is counted


def test_what_is_written_is_read_back() -> None:
    blob = delegates.write_blob(small_graph())
    stored = delegates.read_blob(blob.graph)
    assert [(node.kind, node.inputs, node.output, node.packed) for node in stored.nodes] == [
        ("FullyConnected", (0, 1), 2, (1,)),
        ("Add", (2, 2), 3, ()),
    ]
    assert [(stored.values[number].shape, stored.values[number].dtype) for number in range(4)] == [
        ((2, 3), "qint8"),
        ((4, 3), "qcint8"),
        ((2, 4), "qint8"),
        ((2, 4), "qint8"),
    ]
    assert (stored.values[0].scale, stored.values[0].zero_point) == (float(np.float32(0.1)), -7)
    weight = stored.values[1]
    assert blob.constants[str(weight.key)] == bytes(range(12))
    assert blob.constants[str(weight.scales_key)] == np.array([0.5, 0.25, 0.125, 3.0], np.float32).tobytes()
    assert weight.size == 12
    assert stored.unpacked() == []
    stored.check(blob.constants)


def test_the_same_graph_gives_the_same_bytes() -> None:
    assert delegates.write_blob(small_graph()) == delegates.write_blob(small_graph())


def test_one_weight_that_is_packed_in_two_ways_has_two_keys_and_other_bytes() -> None:
    """A runtime that has the file in memory knows a key by the address of its bytes."""
    found = small_graph()
    layer = found.operations[0]
    again = replace(layer, inputs={**layer.inputs}, fields={"flags": 1})
    found.operations.insert(0, replace(again, output=replace(layer.output)))
    found.tell_apart()
    blob = delegates.write_blob(found)
    weights = sorted(content for content in blob.constants.values() if content[:12] == bytes(range(12)))
    assert weights == [bytes(range(12)), bytes(range(12)) + b"\0"]


@pytest.mark.parametrize("damage", ["noise", "cut", "nothing"])
def test_bytes_that_are_no_graph_are_refused(damage: str) -> None:
    whole = delegates.write_blob(small_graph()).graph
    content = {"noise": bytes(range(256)) * 4, "cut": whole[:-40], "nothing": b""}[damage]
    with pytest.raises(ArtefactError):
        delegates.read_blob(content)


def test_operations_on_tensors_that_do_not_exist_are_refused() -> None:
    node = delegates.StoredNode(kind="Add", inputs=(0, 7), output=1)
    value = delegates.StoredValue(shape=(1,), dtype="fp32")
    with pytest.raises(ArtefactError, match="a Add operation on tensors that do not exist"):
        delegates.StoredGraph(nodes=(node,), values={0: value, 1: value}).check({})
    other = delegates.StoredValue(shape=(1,), dtype="fp8", key="k")
    with pytest.raises(ArtefactError, match="a constant of type 'fp8'"):
        delegates.StoredGraph(nodes=(), values={0: other}).check({"k": b"1"})
