"""The graph before it is bytes: what is pruned, handed in and told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.executorch.graph import WEIGHT_FIELD, DataType, Graph, Operation, Tensor
from converters.lowering.values import Quantization
from tests.converters.executorch.constant_models import images
from tests.converters.executorch.executorch_helpers import content, graph
from tests.lazily import Lazily
from tests.lowering_helpers import Apply, export, quantize

containers = Lazily("converters.executorch.container")


def test_one_weight_behind_two_scales_is_packed_twice() -> None:
    x = images()
    shared = nn.Conv2d(4, 4, 1, bias=False)
    program = quantize(export(Apply(lambda x, f: torch.cat([f(x), f(torch.relu(x))], 1), f=shared), x), x)
    file = content(program, Precision.INT8)
    stored, places = graph(file), containers.open_container(file).constant_ranges
    keys = [str(stored.values[node.packed[0]].key) for node in stored.nodes if node.packed]
    assert len(keys) == len(set(keys)) == 2
    assert len({places[key] for key in keys}) == 2


def tensor(*shape: int, data: bool = False, **fields: Any) -> Tensor:
    values = np.zeros(shape, np.float32) if data else None
    return Tensor(shape=shape, dtype=DataType.FP32, data=values, **fields)


def operation(kind: str, output: Tensor, **inputs: Tensor | None) -> Operation:
    return Operation(kind=kind, inputs=inputs, output=output, fields={"flags": 0})


def test_tensors_are_numbered_by_their_first_appearance_and_each_once() -> None:
    x, weight, middle, y = tensor(2, 3), tensor(4, 3, data=True), tensor(2, 4), tensor(2, 4)
    found = Graph(
        inputs=[x],
        outputs=[y],
        operations=[
            operation("FullyConnected", middle, input1_id=x, filter_id=weight, bias_id=None),
            operation("Add", y, input1_id=middle, input2_id=middle),
        ],
    )
    assert found.tensors() == [x, weight, middle, y]
    assert Graph().tensors() == []


def test_what_no_output_depends_on_is_pruned() -> None:
    x, used, unused, dead, y = (tensor(1) for _ in range(5))
    kept = [operation("Abs", used, input_id=x), operation("Negate", y, input_id=used)]
    found = Graph(inputs=[x], outputs=[y])
    found.operations = [
        kept[0],
        operation("Exp", unused, input_id=used),
        operation("Log", dead, input_id=unused),
        kept[1],
    ]
    found.prune()
    assert found.operations == kept
    found.outputs = []
    found.prune()
    assert found.operations == []


def test_constants_that_are_not_packed_are_handed_in_and_a_weight_as_well_is_two() -> None:
    x, shared, y, z = tensor(3, 3), tensor(3, 3, data=True), tensor(3, 3), tensor(3, 3)
    layer = operation("FullyConnected", y, input1_id=x, filter_id=shared, bias_id=None)
    sums = [operation("Add", z, input1_id=y, input2_id=shared), operation("Subtract", z, input1_id=shared, input2_id=y)]
    found = Graph(inputs=[x], outputs=[z], operations=[layer, *sums])
    found.hand_in()
    (handed,) = found.constants
    assert handed is not shared
    assert handed.data is shared.data
    assert layer.inputs["filter_id"] is shared
    assert sums[0].inputs["input2_id"] is sums[1].inputs["input1_id"] is handed


@pytest.mark.parametrize(
    ("change", "ways"),
    [({}, 1), ({"kind": "Conv2d"}, 2), ({"fields": {"flags": 1}}, 2), ({"scale": 0.5}, 2), ({"zero_point": 3}, 2)],
    ids=str,
)
def test_a_weight_that_is_packed_in_two_ways_becomes_two_tensors(change: dict[str, Any], ways: int) -> None:
    weight, layers = tensor(4, 3, data=True), []
    for changed in ({}, change):
        numbers = Quantization(scales=(changed.get("scale", 1.0),), zero_point=changed.get("zero_point", 0))
        layers.append(
            Operation(
                kind=changed.get("kind", "FullyConnected"),
                inputs={"input1_id": tensor(2, 3, quantization=numbers), "filter_id": weight, "bias_id": None},
                output=tensor(2, 4),
                fields=changed.get("fields", {"flags": 0}),
            )
        )
    Graph(operations=layers).tell_apart()
    told = {id(layer.inputs["filter_id"]) for layer in layers}
    assert len(told) == ways
    packings = {layer.inputs["filter_id"].packing for layer in layers}
    assert len(packings) == ways
    assert "" not in packings


def test_how_weights_are_packed_has_the_text_that_files_were_written_with() -> None:
    """The keys of a file's constants are digests of it: another text, and the same request gives other bytes."""
    codes = Quantization(scales=(0.5,), zero_point=3)
    image = Tensor(shape=(1, 4), dtype=DataType.QINT8, quantization=codes)
    weight = Tensor(shape=(2, 4), dtype=DataType.QCINT8, quantization=Quantization(scales=(0.1, 0.2)))
    layer = Operation(
        kind="XNNFullyConnected",
        inputs={"input1_id": image, WEIGHT_FIELD: weight, "bias_id": None},
        output=image,
        fields={"flags": 0},
    )
    own = f"({DataType.QINT8!r}, Quantization(scales=(0.5,), zero_point=3, axis=0))"
    of_weight = f"({DataType.QCINT8!r}, Quantization(scales=(0.1, 0.2), zero_point=0, axis=0))"
    assert layer.packing == f"('XNNFullyConnected', [('flags', 0)], [{own}, {of_weight}, None, {own}], (2, 4))"
