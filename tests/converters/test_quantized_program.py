"""A plan in a program is rounding to its codes, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.plan import ActivationQuantization, BiasCorrection, Numbers, QuantPlan, WeightQuantization
from converters.quantized_program import (
    BIAS,
    WEIGHT,
    graph_module,
    parameter_of,
    quantize_program,
    quantize_weight,
    set_parameter,
    shared_module,
    stored_type,
)
from tests.lowering_helpers import Apply, export

X = torch.tensor([[-2.0, -0.26, 0.0, 0.24, 0.26, 0.5, 50.0]])


def test_weights_of_four_bits_are_rounded_to_them() -> None:
    weight = torch.tensor([[1.0, -0.5], [0.2, 3.0]])
    codes = quantize_weight(weight, torch.tensor([0.25, 0.25]), Numbers(bits=4, axis=0, symmetric=True))
    assert codes.dtype is torch.int8
    assert codes.tolist() == [[4, -2], [1, 7]]


def planned(**parts: tuple[object, ...]) -> QuantPlan:
    return QuantPlan(**{"activations": (), "weights": (), "floats": ()} | parts)  # type: ignore[arg-type]  # by field


def layer() -> ExportedProgram:
    linear = nn.Linear(2, 2)
    linear.weight.data = torch.tensor([[1.0, -0.5], [0.2, 3.0]])
    linear.bias.data = torch.tensor([0.5, -0.5])
    return export(nn.Sequential(linear), torch.ones(1, 2))


def test_an_activation_is_rounded_for_all_who_read_it() -> None:
    """Steps of 0.25 from a zero point of -100: codes -128..127 are -7..56.75."""
    program = export(Apply(lambda x: torch.cat([x * 2, x + 1])), X)
    image = ActivationQuantization(tensor="x", module="", scale=0.25, zero_point=-100)
    found = quantize_program(program, planned(activations=(image,))).module()(X)
    rounded = torch.tensor([[-2.0, -0.25, 0.0, 0.25, 0.25, 0.5, 50.0]])
    assert torch.equal(found, torch.cat([rounded * 2, rounded + 1]))
    clipped = quantize_program(program, planned(activations=(image,))).module()(X * 1000)
    assert (clipped[0].min(), clipped[0].max()) == (-14.0, 113.5)


def test_weights_are_stored_as_codes_and_biases_corrected() -> None:
    weights = WeightQuantization(tensor="0.weight", module="0", scales=(1 / 127, 3 / 127))
    correction = BiasCorrection(tensor="0.bias", module="0", values=(0.25, -0.25))
    program = layer()
    quantized = quantize_program(program, planned(weights=(weights,), biases=(correction,)))
    codes = torch.tensor([[127.0, -64.0], [8.0, 127.0]])  # -63.5 and 8.47 rounded, the half to even
    expected = torch.tensor([1.0, 1.0]) @ (codes / 127 * torch.tensor([[1.0], [3.0]])).T + torch.tensor([0.75, -0.75])
    torch.testing.assert_close(quantized.module()(torch.ones(1, 2))[0], expected)
    assert torch.equal(quantized.state_dict["0_weight_int8"], codes.to(torch.int8))
    assert program.state_dict.keys() == {"0.weight", "0.bias"}
    assert program.state_dict["0.bias"].tolist() == [0.5, -0.5]


@pytest.mark.parametrize(
    "plan",
    [
        planned(activations=(ActivationQuantization(tensor="gone", module="", scale=1.0, zero_point=0),)),
        planned(weights=(WeightQuantization(tensor="gone.weight", module="", scales=(1.0,)),)),
    ],
    ids=["activation", "weight"],
)
def test_a_tensor_that_is_not_there_is_an_error(plan: QuantPlan) -> None:
    with pytest.raises(KeyError, match="gone"):
        quantize_program(layer(), plan)


def test_codes_are_rounded_to_even_and_kept_in_their_range() -> None:
    weight = torch.tensor([[0.5, 1.5, 2.5, -200.0, 200.0]])
    assert quantize_weight(weight, torch.tensor([1.0]), Numbers(axis=0, symmetric=True)).tolist() == [
        [0, 2, 2, -127, 127]
    ]
    by_column = quantize_weight(weight.T, torch.tensor([0.5]), Numbers(axis=1, symmetric=True, bits=16))
    assert by_column.flatten().tolist() == [1, 3, 5, -400, 400]


@pytest.mark.parametrize(("bits", "dtype"), [(4, torch.int8), (8, torch.int8), (9, torch.int16), (16, torch.int16)])
def test_codes_take_the_smallest_type(bits: int, dtype: torch.dtype) -> None:
    assert stored_type(Numbers(bits=bits)) is dtype


def test_a_layer_s_parameters_by_position() -> None:
    module = graph_module(layer())
    (linear,) = (node for node in module.graph.nodes if "linear" in str(node.target))
    assert (parameter_of(linear, WEIGHT), parameter_of(linear, BIAS)) == ("0.weight", "0.bias")
    assert parameter_of(linear, 0) is None  # computed
    assert parameter_of(linear, 3) is None  # absent


def test_a_parameter_is_replaced_in_the_copy_alone() -> None:
    program = layer()
    module = graph_module(program)
    set_parameter(module, "0.weight", torch.zeros(2, 2))
    assert module(torch.ones(1, 2)).tolist() == [[0.5, -0.5]]
    assert program.state_dict["0.weight"].abs().sum() > 0
    assert not module.get_parameter("0.weight").requires_grad


def test_a_module_is_shared_by_those_who_change_nothing() -> None:
    program, other = layer(), layer()
    assert shared_module(program) is shared_module(program)
    assert shared_module(program) is not shared_module(other)
    assert graph_module(program) is not graph_module(program)
