"""What runtimes compute in integers is data, and placement follows it."""

from __future__ import annotations

import pytest
import torch

from converters.capabilities import LITERT, XNNPACK, Runtime
from converters.errors import ToolchainError
from tests.lowering_helpers import METADATA, Apply, export


@pytest.mark.parametrize("runtime", [XNNPACK, LITERT], ids=lambda runtime: runtime.name)
def test_every_operation_is_one_of_atens(runtime: Runtime) -> None:
    for name in set().union(*runtime.integers.values(), *runtime.tables.values()):
        namespace, operator, overload = name.split(".")
        assert hasattr(getattr(getattr(torch.ops, namespace), operator), overload), name


def test_the_runtimes_differ_where_it_is_known() -> None:
    assert not XNNPACK.computes("aten.softmax.int")
    assert LITERT.computes("aten.softmax.int")
    assert not LITERT.computes("aten.softmax.int", bits=16)
    assert "aten.hardswish.default" in XNNPACK.tables[8]


@pytest.mark.parametrize("format", ["tflite", "executorch"])
def test_a_writer_refuses_codes_that_it_lacks(format: str) -> None:
    from importlib import import_module

    from converters.contract import ActivationQuantization, Precision, QuantPlan
    from converters.quantized_program import graph_module, quantize_program

    program = export(Apply(lambda x: torch.relu(x) * 2), torch.zeros(1, 3, 4, 4))
    name = next(node.name for node in graph_module(program).graph.nodes if "relu" in node.name)
    wide = ActivationQuantization(tensor=name, module="", scale=0.1, zero_point=0, bits=16)
    quantized = quantize_program(program, QuantPlan(activations=(wide,), weights=(), floats=()))
    lower = import_module(f"converters.{format}.lower")
    with pytest.raises(ToolchainError, match="int16"):
        lower.to_bytes(quantized, Precision.INT8, METADATA)
