"""The evaluator's kernels against coremltools' own value inference or, where it has none, NumPy definitions."""

from __future__ import annotations

import itertools
from inspect import signature
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.coreml import toolchain
from converters.coreml.evaluator.constants import DECOMPRESSORS
from converters.coreml.evaluator.operators import OPERATORS, conv
from converters.coreml.evaluator.program import _parameter
from tests.converters.coreml.evaluator.mil_inference import SEEDS, draw, few, inferred

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def evaluated(kind: str, **inputs: Any) -> Any:
    """The kernel's result. Float and code arrays are activations; all else is bound as the evaluator does it."""
    bound = {key: _operand(value) for key, value in inputs.items()}
    out = OPERATORS[kind](**bound)
    return [part.numpy() for part in out] if isinstance(out, tuple) else out.numpy()


def _operand(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype not in (np.int32, np.bool_):
        return torch.from_numpy(value)
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], np.ndarray):
        return [torch.from_numpy(one) for one in value]
    return _parameter(value)


def agrees(kind: str, **inputs: Any) -> None:
    expected, actual = inferred(kind, **inputs), evaluated(kind, **inputs)
    if isinstance(expected, list):
        assert [one.shape for one in actual] == [one.shape for one in expected]
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    else:
        assert actual.shape == np.shape(expected)
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-6)


UNARY = ("relu", "relu6", "sigmoid", "square", "exp", "tanh")
BINARY = ("add", "sub", "mul", "real_div", "maximum", "minimum")
REDUCTIONS = ("reduce_mean", "reduce_sum", "reduce_max")


@few
@given(SHAPES, SEEDS)
def test_unary(shape: tuple[int, ...], seed: int) -> None:
    x = draw(shape, seed)
    for kind in UNARY:
        agrees(kind, x=x)
    agrees("sqrt", x=np.abs(x))
    agrees("log", x=np.abs(x) + 1, epsilon=np.float32(1e-3))
    agrees("rsqrt", x=np.abs(x), epsilon=np.float32(1e-3))
    agrees("clip", x=x, alpha=np.float32(-0.5), beta=np.float32(1.5))
    agrees("sigmoid_hard", x=x, alpha=np.float32(0.2), beta=np.float32(0.4))
    for mode in ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"):
        agrees("gelu", x=x, mode=mode)
    silu = evaluated("silu", x=x)  # which coremltools does not infer
    np.testing.assert_allclose(silu, x / (1 + np.exp(-x)), rtol=2e-5, atol=2e-6)


@few
@given(SHAPES, SEEDS, st.data())
def test_binary_with_broadcasting(shape: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    other = tuple(data.draw(st.sampled_from((1, size))) for size in shape[data.draw(st.integers(0, len(shape) - 1)) :])
    x, y = draw(shape, seed), draw(other, seed + 1)
    for kind in BINARY:
        agrees(kind, x=x, y=y)
        agrees(kind, x=x, y=np.float32(1.5))
    agrees("pow", x=np.abs(x), y=np.float32(1.5))


@few
@given(SHAPES, SEEDS, st.booleans(), st.data())
def test_reductions(shape: tuple[int, ...], seed: int, keep: bool, data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    signed = [axis - data.draw(st.sampled_from((0, len(shape)))) for axis in axes]
    for kind in REDUCTIONS:
        agrees(kind, x=draw(shape, seed), axes=np.array(signed, np.int32), keep_dims=keep)
    agrees("softmax", x=draw(shape, seed), axis=np.int32(signed[0]))


@few
@given(SHAPES, SEEDS, st.booleans(), st.data())
def test_layer_norm(shape: tuple[int, ...], seed: int, affine: bool, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(shape) - 1))
    scale = {"gamma": draw(shape[first:], seed + 1), "beta": draw(shape[first:], seed + 2)} if affine else {}
    axes = np.arange(first, len(shape), dtype=np.int32)
    agrees("layer_norm", x=draw(shape, seed), axes=axes, epsilon=np.float32(1e-3), **scale)


@few
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), SEEDS, st.booleans(), st.booleans())
def test_matrix_products(rows: int, inner: int, columns: int, seed: int, flip_x: bool, flip_y: bool) -> None:
    x = draw((2, inner, rows) if flip_x else (2, rows, inner), seed)
    y = draw((columns, inner) if flip_y else (inner, columns), seed + 1)
    agrees("matmul", x=x, y=y, transpose_x=flip_x, transpose_y=flip_y)
    agrees("linear", x=draw((2, inner), seed), weight=draw((columns, inner), seed), bias=draw((columns,), seed + 2))


@few
@given(SHAPES, SEEDS, st.data())
def test_movement(shape: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    x, rank = draw(shape, seed), len(shape)
    agrees("transpose", x=x, perm=np.array(data.draw(st.permutations(range(rank))), np.int32))
    agrees("reshape", x=x, shape=np.array([-1, *shape[1:]][::-1], np.int32))
    agrees("reshape", x=x, shape=np.array([0, *shape[1:-1], -1][:rank], np.int32))
    agrees("expand_dims", x=x, axes=np.array(data.draw(st.sampled_from([[0], [-1], [0, 2], [1, -1]])), np.int32))
    axis = data.draw(st.integers(-rank, rank - 1))
    agrees("concat", values=[x, x * 2], axis=axis)
    doubled = np.concatenate([x, x], axis)
    agrees("split", x=doubled, num_splits=2, axis=np.int32(axis))
    agrees("split", x=doubled, split_sizes=np.array([1, doubled.shape[axis] - 1], np.int32), axis=np.int32(axis))
    if 1 in shape:
        agrees("squeeze", x=x, axes=np.array([shape.index(1)], np.int32))
    agrees("identity", x=x)


@few
@given(SHAPES, SEEDS, st.data())
def test_slices(shape: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    x = draw(shape, seed)
    begin = [data.draw(st.integers(0, size - 1)) for size in shape]
    end = [data.draw(st.integers(first + 1, size)) for first, size in zip(begin, shape, strict=True)]
    masks = {
        key: np.array([data.draw(st.booleans()) for _ in shape]) for key in ("begin_mask", "end_mask", "squeeze_mask")
    }
    masks["squeeze_mask"][0] = False  # value inference makes a Python list of a fully squeezed result
    bounds = {"begin": np.array(begin, np.int32), "end": np.array(end, np.int32)}
    stride = np.array([data.draw(st.integers(1, 3)) for _ in shape], np.int32)
    agrees("slice_by_index", x=x, stride=stride, **bounds, **masks)
    size = np.array([last - first if first else -1 for first, last in zip(begin, end, strict=True)], np.int32)
    agrees("slice_by_size", x=x, begin=bounds["begin"], size=size)


@few
@given(SHAPES, SEEDS, st.sampled_from(("constant", "reflect", "replicate")), st.data())
def test_pad(shape: tuple[int, ...], seed: int, mode: str, data: st.DataObject) -> None:
    """PyTorch pads the last dimensions only when the mode is not `constant`, and wants them batched."""
    x = draw((1, 1, *shape[:2]), seed)
    limit = min(x.shape[2:]) - 1 if mode == "reflect" else 2
    dims = data.draw(st.integers(1, 4)) if mode == "constant" else x.ndim - 2
    amounts = np.array(data.draw(st.lists(st.integers(0, limit), min_size=2 * dims, max_size=2 * dims)), np.int32)
    agrees("pad", x=x, pad=amounts, mode=mode, constant_val=np.float32(0.5))


@few
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    SEEDS,
)
def test_convolution_against_its_definition(
    sizes: tuple[int, int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pad: list[int],
    seed: int,
) -> None:
    groups, inner, outer = sizes
    x, weight = draw((1, groups * inner, 7, 6), seed), draw((groups * outer, inner, *kernel), seed + 1)
    bias = draw((groups * outer,), seed + 2)
    actual = conv(
        x=torch.from_numpy(x),
        weight=torch.from_numpy(weight),
        bias=torch.from_numpy(bias),
        strides=list(strides),
        pad_type="custom",
        pad=pad,
        dilations=list(dilations),
        groups=groups,
    )
    expected = naive_convolution(x, weight, bias, strides, pad, dilations, groups)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-4, atol=1e-4)


def naive_convolution(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    strides: tuple[int, int],
    pad: list[int],
    dilations: tuple[int, int],
    groups: int,
) -> np.ndarray:
    """The sum of the operation's documentation, element by element."""
    x = np.pad(x, ((0, 0), (0, 0), tuple(pad[:2]), tuple(pad[2:])))
    (outer, inner, *kernel), per_group = weight.shape, weight.shape[0] // groups
    rows, columns = (
        (size - (k - 1) * d - 1) // s + 1 for size, k, d, s in zip(x.shape[2:], kernel, dilations, strides, strict=True)
    )
    out = np.zeros((1, outer, rows, columns), np.float32)
    for channel, row, column in itertools.product(range(outer), range(rows), range(columns)):
        first = channel // per_group * inner
        patch = x[0, first : first + inner, row * strides[0] :: dilations[0], column * strides[1] :: dilations[1]]
        out[0, channel, row, column] = (patch[:, : kernel[0], : kernel[1]] * weight[channel]).sum() + bias[channel]
    return out


@few
@given(SHAPES, SEEDS, st.sampled_from(("int8", "uint8")), st.booleans(), st.booleans(), st.data())
def test_quantize_and_dequantize(
    shape: tuple[int, ...], seed: int, dtype: str, vector: bool, shifted: bool, data: st.DataObject
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    generator = np.random.default_rng(seed)
    count = (shape[axis],) if vector else ()
    scale = generator.uniform(0.01, 0.1, count).astype(np.float32)
    inputs: dict[str, Any] = {"scale": scale if vector else np.float32(scale)}
    if shifted:
        zero_point = generator.integers(1, 100, count).astype(dtype)
        inputs["zero_point"] = zero_point if vector else np.dtype(dtype).type(zero_point)
    if vector:
        inputs["axis"] = np.int32(axis)
    agrees("quantize", input=draw(shape, seed), output_dtype=dtype, **inputs)
    agrees("dequantize", input=generator.integers(0, 100, shape).astype(dtype), **inputs)


def test_quantize_rounds_halves_to_even_and_saturates() -> None:
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 1e6, -1e6, float("inf")])
    codes = OPERATORS["quantize"](input=x, scale=1.0, zero_point=3, output_dtype="int8")
    assert codes.tolist() == [3, 5, 5, 3, 1, 127, -128, 127]


def test_what_is_not_a_number_gets_code_0() -> None:
    codes = OPERATORS["quantize"](input=torch.tensor([float("nan"), 1.0]), scale=1.0, zero_point=3, output_dtype="int8")
    assert codes.tolist() == [0, 4]


@pytest.mark.parametrize("kind", ["cast", "dequantize", "quantize"])
def test_kernels_that_compute_in_place_leave_their_operand(kind: str) -> None:
    x = torch.tensor([0.1, 2.0])
    words: dict[str, dict[str, Any]] = {
        "cast": {"x": x, "dtype": "fp16"},
        "dequantize": {"input": x, "scale": 2.0},
        "quantize": {"input": x, "scale": 2.0, "output_dtype": "int8"},
    }
    OPERATORS[kind](**words[kind]).fill_(7.0)
    assert torch.equal(x, torch.tensor([0.1, 2.0]))


@pytest.mark.parametrize("kind", sorted({*OPERATORS, *DECOMPRESSORS}))
def test_every_kernel_is_a_mil_operation_with_its_parameters(kind: str) -> None:
    """A parameter that no release's MIL knows would never be bound."""
    versions = toolchain.load("coremltools.converters.mil.mil.ops.registry").SSAOpRegistry.core_ops[kind].values()
    known = {name for version in versions for name in version.input_spec.input_types}
    assert set(signature({**OPERATORS, **DECOMPRESSORS}[kind]).parameters) <= known
