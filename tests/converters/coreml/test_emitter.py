"""The emitter: numbers rounded once, weights as the file stores them, and float32 where float16 would overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.coreml import toolchain
from converters.coreml.evaluator.constants import DECOMPRESSORS
from converters.errors import ToolchainError
from tests.converters.coreml.coreml_programs import Lambda, export
from tests.converters.coreml.mil_programs import X, emitted, emitted_int8, evaluated, kinds, operations
from tests.lazily import Lazily

emitters = Lazily("converters.coreml.emitter")


def emitter(dtype: type[np.floating[Any]] = np.float16, **options: Any) -> Any:
    """One at the beginning of a program of one product. To be used within `function()`."""
    mil = toolchain.load("coremltools.converters.mil.mil")
    module = export(Lambda(lambda x: x * 2), X).graph_module
    return emitters.Emitter(module, mil.Builder, dtype, **{"blockwise": True, **options})


def function() -> Any:
    ct, mil = toolchain.load(), toolchain.load("coremltools.converters.mil.mil")
    return mil.Function({}, opset_version=ct.target.iOS18)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, np.float16(0.1)),
        (torch.tensor([0.1, 1e-9]), np.array([0.1, 0.0], np.float16)),
        (torch.tensor([0.1], dtype=torch.float64), np.array([0.1], np.float16)),
        (torch.tensor([1, 2**31 - 1]), np.array([1, 2**31 - 1], np.int32)),
        (torch.tensor([-128, 127], dtype=torch.int8), np.array([-128, 127], np.int8)),
        (torch.tensor([float("inf"), 65504.0]), np.array([np.inf, 65504.0], np.float16)),
    ],
    ids=str,
)
def test_constants_are_rounded_to_the_programs_precision(value: object, expected: np.ndarray) -> None:
    found = emitter().constant(value)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [None, True, 7, "custom", [1, 2]], ids=repr)
def test_what_is_no_float_and_no_tensor_stays_as_it_is(value: object) -> None:
    assert emitter().constant(value) is value


def test_a_number_that_the_precision_cannot_hold_is_refused_in_words() -> None:
    for value in (7e4, torch.tensor([1.0, -7e4, float("inf")])[:2]):
        with pytest.raises(
            ToolchainError, match=r"magnitude 70000 in module \(top\); allowed: at most 65504 in float16"
        ):
            emitter().constant(value)
    assert emitter(np.float32).constant(7e4) == np.float32(7e4)


def stored(value: Any) -> tuple[str, np.ndarray]:
    """The operation behind a compressed weight, and what it decompresses to."""
    parts = {name: var.val for name, var in value.op.inputs.items() if var is not None}
    return value.op.op_type, DECOMPRESSORS[value.op.op_type](**parts)


def test_without_palettes_a_weight_is_as_it_is() -> None:
    weight = torch.ones(4, 6, 1, 1)
    assert emitter().weight(weight) is weight


def test_with_palettes_a_small_weight_is_int8_with_a_scale_for_each_channel() -> None:
    weight = torch.tensor([[1.0, -0.5], [100.0, 3.0], [0.0, 0.0]]).reshape(3, 2, 1, 1)
    with function():
        kind, values = stored(emitter(palette_bits=6).weight(weight))
    assert kind == "constexpr_blockwise_shift_scale"
    assert values.dtype == np.float16
    step = weight.abs().amax((1, 2, 3), keepdim=True) / 127
    assert (abs(values - weight.numpy()) <= 0.51 * step.numpy()).all()


def test_codes_that_are_int8_already_are_not_coded_again() -> None:
    codes = torch.ones(3, 2, 1, 1, dtype=torch.int8)
    assert emitter(palette_bits=6).weight(codes) is codes


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_with_palettes_a_larger_weight_is_indices(dtype: torch.dtype) -> None:
    """Sixteen values, for which 4 bits are enough: nothing is lost, whether they are floats or codes."""
    weight = torch.randint(-8, 8, (16, 128, 1, 1), generator=torch.Generator().manual_seed(0)).to(dtype)
    with function():
        var = emitter(palette_bits=4).weight(weight)
        kind, values = stored(var)
    assert kind == "constexpr_lut_to_dense"
    assert values.dtype == (np.float16 if dtype is torch.float32 else np.int8)
    np.testing.assert_array_equal(values, weight.numpy())


@pytest.mark.parametrize(("indexed", "kind"), [(True, "constexpr_lut_to_dense"), (False, "const")])
def test_operands_that_repeat_a_few_values_are_indices_where_that_is_asked_for(indexed: bool, kind: str) -> None:
    bias = torch.arange(49.0).repeat(49).view(49, 49)
    program = emitted(
        Lambda(lambda x, bias: x + bias, bias), torch.zeros(1, 1, 49, 49), dtype=np.float16, compressed=indexed
    )
    (total,) = [one for one in operations(program) if one.op_type == "add"]
    assert total.y.op.op_type == kind
    np.testing.assert_array_equal(evaluated(program, torch.zeros(1, 1, 49, 49))[0, 0], bias.numpy())


def test_operations_on_constants_alone_are_computed() -> None:
    program = emitted(Lambda(lambda x, c: x + c.cumsum(0), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])))
    assert kinds(program) == ["cast", "add", "cast"]
    np.testing.assert_allclose(evaluated(program), X.numpy() + np.array([1, 3, 6, 10, 15], np.float32), rtol=1e-6)


def test_int8_weights_are_kept_and_not_computed() -> None:
    program = emitted_int8(nn.Conv2d(6, 4, 1))
    (conv,) = [one for one in operations(program) if one.op_type == "conv"]
    assert conv.weight.op.op_type == "constexpr_blockwise_shift_scale"
    assert conv.weight.op.data.val.dtype == np.int8


class Overflowing(nn.Module):
    """Squares of 300, which fp16 cannot hold, and their mean's root, which it can."""

    def forward(self, x: Tensor) -> Tensor:
        return (300 * x).pow(2).mean(1, keepdim=True).sqrt() + 1


def test_an_island_is_float32_and_what_reads_it_comes_back() -> None:
    x = X + 2
    expected = Overflowing()(x).numpy()
    assert np.isinf(evaluated(emitted(Overflowing(), x, dtype=np.float16), x)).any()
    program = emitted(Overflowing(), x, dtype=np.float16, islands=frozenset({"pow_1", "mean"}))
    np.testing.assert_allclose(evaluated(program, x), expected, rtol=2e-3)
    types = toolchain.load("coremltools.converters.mil.mil.types")
    found = {
        one.op_type: types.builtin_to_string(one.outputs[0].dtype)
        for one in operations(program)
        if one.op_type != "cast"
    }
    assert {kind: found[kind] for kind in ("mul", "square", "reduce_mean", "sqrt", "add")} == {
        "mul": "fp16",
        "square": "fp32",
        "reduce_mean": "fp32",
        "sqrt": "fp32",
        "add": "fp16",
    }


def test_in_float32_there_are_no_islands() -> None:
    program = emitted(Overflowing(), islands=frozenset({"pow_1", "mean"}))
    assert kinds(program) == ["cast", "mul", "square", "reduce_mean", "sqrt", "add", "cast"]
