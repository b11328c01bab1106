"""The bytes of a file: names, signature, description, alignment."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from converters.contract import Artefact, Metadata
from converters.lowering.values import Quantization
from converters.tflite.flatbuffer import OPTIONS, read_description, read_oldest_release, serialize
from converters.tflite.graph import DataType, Graph, Operation
from converters.tflite.graph import Tensor as Stored
from converters.tflite.structure import read_model
from tests.converters.tflite.small import METADATA
from tests.converters.tflite.test_lower import SoftmaxAttention
from tests.converters.tflite.tflite_helpers import content, interpreter, stored
from tests.lowering_helpers import export


def test_the_signature_names_input_and_output(artefact: Artefact) -> None:
    signatures = interpreter(artefact.path.read_bytes()).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["image"], "outputs": ["logits"]}}


def test_the_tensors_are_called_as_the_signature_says(artefact: Artefact) -> None:
    loaded = interpreter(artefact.path.read_bytes())
    details = (loaded.get_input_details()[0], loaded.get_output_details()[0])
    assert [detail["name"] for detail in details] == ["image", "logits"]
    names = [detail["name"] for detail in loaded.get_tensor_details()]
    assert names.count("image") == names.count("logits") == 1


def test_the_file_describes_itself(artefact: Artefact) -> None:
    _, tables = read_model(artefact.path)
    assert tables.description.decode() == "a small model"
    (entry,) = (entry for entry in tables.metadata if entry.name == b"description.json")
    assert json.loads(bytes(tables.buffers[entry.buffer].data)) == {
        "author": "tests", "description": "a small model", "labels": ["cat", "dog"]
    }  # fmt: skip


def test_constant_data_is_aligned_to_sixteen_bytes() -> None:
    from ai_edge_litert import schema_py_generated as schema

    file = content(export(SoftmaxAttention(), torch.randn(1, 16, 7, 7)))
    model = schema.Model.GetRootAsModel(file, 0)
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    starts = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers if not buffer.DataIsNone()]
    assert len(starts) > 10
    assert all(start % 16 == 0 for start in starts)


def small_graph(**options: object) -> Graph:
    x, y = stored((1, 2)), stored((1, 2), name="first/y")
    operation = Operation(code="GELU", inputs=(x,), output=y, options=options)
    return Graph(inputs=[x], outputs=[y], operations=[operation])


def tables(graph: Graph, metadata: Metadata = METADATA, **options: Any) -> Any:
    return schema.ModelT.InitFromPackedBuf(serialize(graph, metadata, **options), 0)


def test_options_reach_the_file_and_unknown_ones_are_refused() -> None:
    (operator,) = tables(small_graph(approximate=True)).subgraphs[0].operators
    assert (operator.builtinOptionsType, operator.builtinOptions.approximate) == (
        schema.BuiltinOptions.GeluOptions,
        True,
    )
    with pytest.raises(AttributeError, match="GeluOptions has no field axis"):
        serialize(small_graph(axis=1), METADATA)


@pytest.mark.parametrize(("code", "name"), OPTIONS.items())
def test_every_options_table_is_one_of_the_schema(code: str, name: str) -> None:
    assert hasattr(schema.BuiltinOperator, code)
    assert hasattr(schema.BuiltinOptions, name)
    assert hasattr(schema, f"{name}T")


def test_equal_constants_share_a_buffer_and_what_is_computed_has_the_empty_one() -> None:
    data = np.arange(4, dtype=np.int8)
    first, second, third = (
        Stored(name=name, shape=(4,), dtype=DataType.INT8, data=values, quantization=Quantization(scales=(scale,)))
        for name, values, scale in (("a", data, 1.0), ("b", data.copy(), 2.0), ("c", data + 1, 1.0))
    )
    graph = small_graph()
    graph.operations = [replace(graph.operations[0], code="CONCATENATION", inputs=(first, second, third))]
    graph.inputs = [stored((1, 2))]
    model = tables(graph)
    numbers = {tensor.name.decode(): tensor.buffer for tensor in model.subgraphs[0].tensors}
    assert numbers["a"] == numbers["b"] != numbers["c"]
    assert numbers["image"] == numbers["logits"] == 0
    assert model.buffers[0].data is None
    assert bytes(model.buffers[numbers["c"]].data) == bytes([1, 2, 3, 4])


def test_scales_of_channels_have_as_many_zero_points_and_an_axis() -> None:
    graph = small_graph()
    channels = Quantization(scales=(0.5, 0.25), zero_point=0, axis=1)
    graph.inputs[0] = x = Stored(name="x", shape=(1, 2), dtype=DataType.INT8, quantization=channels)
    graph.operations = [replace(graph.operations[0], code="ABS", options={}, inputs=(x, None))]
    (subgraph,) = tables(graph).subgraphs
    parameters = subgraph.tensors[0].quantization
    assert (parameters.scale.tolist(), parameters.zeroPoint.tolist()) == ([0.5, 0.25], [0, 0])
    assert parameters.quantizedDimension == 1
    assert list(subgraph.operators[0].inputs) == [0, -1], "an input that is absent"


def test_a_declared_version_stands_in_the_file_and_the_release_is_that_of_the_form() -> None:
    graph = small_graph()
    channels = Stored(name="x", shape=(1, 2), dtype=DataType.INT8, quantization=Quantization(scales=(0.5, 0.25)))
    graph.inputs = [channels]
    graph.operations = [replace(graph.operations[0], code="DEQUANTIZE", inputs=(channels,), declared=2)]
    model = tables(graph)
    assert [code.version for code in model.operatorCodes] == [2]
    assert read_oldest_release(model) == "2.7.0"


def test_more_metadata_lies_beside_its_own() -> None:
    model = tables(small_graph(), further={"OTHER": b"bytes of others"})
    entries = {entry.name.decode(): bytes(model.buffers[entry.buffer].data) for entry in model.metadata}
    assert set(entries) == {"description.json", "min_runtime_version", "structure.sha256", "OTHER"}
    assert entries["OTHER"] == b"bytes of others"


def test_what_the_file_says_of_itself_is_read_back() -> None:
    model = tables(small_graph(), Metadata(description="d", extra={"k": "v"}))
    assert read_description(model) == {"description": "d", "extra": {"k": "v"}}
    model.metadata = []
    assert read_description(model) == {}
    assert read_oldest_release(model) is None


def test_a_description_that_is_no_json_is_an_error() -> None:
    model = tables(small_graph())
    (entry,) = (entry for entry in model.metadata if entry.name == b"description.json")
    model.buffers[entry.buffer].data = list(b"{broken")
    with pytest.raises(ValueError, match="Expecting"):
        read_description(model)


def test_an_operation_of_a_later_schema_has_the_placeholder_for_older_readers() -> None:
    (code,) = tables(small_graph()).operatorCodes
    assert code.builtinCode == schema.BuiltinOperator.GELU > 127
    assert code.deprecatedBuiltinCode == schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES == 127
