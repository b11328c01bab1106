"""Sums in fp16, term by term: against NumPy's own float16, and what they tell of a package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from converters.contract import Precision
from converters.coreml.evaluator import Evaluator, HalfSums
from converters.coreml.evaluator.half_sums import KERNELS
from converters.coreml.evaluator.operators import OPERATORS
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import FeedForward, Lambda, export, plan, seeded, sqnr_db, write

HALF_SUMS = KERNELS[HalfSums.ALL]
BOTH = (HalfSums.NONE, HalfSums.ALL)
few = settings(deadline=None, max_examples=20)
SEEDS = st.integers(0, 2**16)


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape, scale=3).astype(np.float16)


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(array.astype(np.float32)) for array in arrays]


def dot(left: np.ndarray, right: np.ndarray) -> np.float16:
    """Term by term in NumPy's float16, which rounds after each operation."""
    total = left[0] * right[0]
    for first, second in zip(left[1:], right[1:], strict=True):
        total = total + first * second
    assert total.dtype == np.float16
    return np.float16(total)


@few
@given(rows=st.integers(1, 3), terms=st.integers(1, 40), columns=st.integers(1, 3), seed=SEEDS)
def test_matmul_and_linear(rows: int, terms: int, columns: int, seed: int) -> None:
    x, y = draw(seed, rows, terms), draw(seed + 1, terms, columns)
    expected = np.array([[dot(row, column) for column in y.T] for row in x], np.float32)
    left, right = tensors(x, y)
    for result in (
        HALF_SUMS["matmul"](x=left, y=right),
        HALF_SUMS["matmul"](x=left.mT, y=right.mT, transpose_x=True, transpose_y=True),
        HALF_SUMS["linear"](x=left, weight=right.mT),
    ):
        np.testing.assert_array_equal(result.numpy(), expected)


@few
@given(
    groups=st.integers(1, 3),
    inputs=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    pad=st.tuples(*[st.integers(0, 2)] * 4),
    seed=SEEDS,
)
def test_convolution(
    groups: int,
    inputs: int,
    kernel: tuple[int, int],
    stride: int,
    dilation: int,
    pad: tuple[int, int, int, int],
    seed: int,
) -> None:
    x, weight = draw(seed, 1, groups * inputs, 6, 5), draw(seed + 1, groups * 2, inputs, *kernel)
    image, layer = tensors(x, weight)
    attributes = {
        "strides": [stride, stride],
        "pad_type": "custom",
        "pad": list(pad),
        "dilations": [dilation, dilation],
        "groups": groups,
    }
    found = HALF_SUMS["conv"](x=image, weight=layer, **attributes).numpy()
    exact = OPERATORS["conv"](x=image, weight=layer, **attributes).numpy()
    assert found.shape == exact.shape
    top, _, left, _ = pad
    padded = np.pad(x, ((0, 0), (0, 0), (top, pad[1]), (left, pad[3])))
    output, row, column = (np.random.default_rng(seed).integers(size) for size in found.shape[1:])
    first = (output // 2) * inputs
    window = padded[
        0,
        first : first + inputs,
        row * stride : row * stride + dilation * kernel[0] : dilation,
        column * stride : column * stride + dilation * kernel[1] : dilation,
    ]
    window = window[:, : kernel[0], : kernel[1]]
    assert found[0, output, row, column] == np.float32(dot(window.ravel(), weight[output].ravel()))


@few
@given(shape=st.tuples(*[st.integers(1, 4)] * 3), axes=st.sets(st.integers(-3, -1), min_size=1), seed=SEEDS)
def test_reductions(shape: tuple[int, int, int], axes: set[int], seed: int) -> None:
    x = draw(seed, *shape)
    (image,) = tensors(x)
    for kind in ("reduce_sum", "reduce_mean"):
        for keep in (True, False):
            found = HALF_SUMS[kind](x=image, axes=sorted(axes), keep_dims=keep)
            exact = OPERATORS[kind](x=image, axes=sorted(axes), keep_dims=keep)
            assert found.shape == exact.shape
            torch.testing.assert_close(found, exact, rtol=0.05, atol=0.1)
    every = HALF_SUMS["reduce_sum"](x=image, axes=None)
    assert float(every) == np.float32(dot(x.ravel(), np.ones(x.size, np.float16)))


IMAGE = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_a_sum_that_only_float32_holds_on_the_way_overflows(tmp_path: Path) -> None:
    """60000 + 60000 - 60000: fp16 holds the result, and not what comes before it."""
    layer = nn.Conv2d(6, 1, 1, bias=False)
    layer.weight.copy_(torch.tensor([60000.0, 60000.0, -60000.0, 0.0, 0.0, 0.0]).view(1, 6, 1, 1))
    write(export(layer, IMAGE), tmp_path / "p.mlpackage")
    ones = np.ones((1, 6, 5, 5), np.float32)
    assert (Evaluator(tmp_path / "p.mlpackage")(ones) == 60000).all()
    assert not np.isfinite(Evaluator(tmp_path / "p.mlpackage", half_sums=HalfSums.ALL)(ones)).any()


@torch.no_grad()
def test_products_alone_add_up_in_fp16(tmp_path: Path) -> None:
    """4096 ones, of which fp16 holds 2048 one after the other: what Core AI gives on Linux."""
    image = torch.ones(1, 4096, 1, 1)
    linear, conv = nn.Linear(4096, 2, bias=False), nn.Conv2d(4096, 2, 1, bias=False)
    for layer, module, total in ((linear, nn.Sequential(nn.Flatten(), linear), 2048), (conv, conv, 4096)):
        layer.weight.fill_(1)
        write(export(module, image), tmp_path / "p.mlpackage")
        assert (Evaluator(tmp_path / "p.mlpackage", half_sums=HalfSums.PRODUCTS)(image.numpy()) == total).all()


@torch.no_grad()
def test_a_program_is_a_little_less_exact_with_them(tmp_path: Path) -> None:
    block = seeded(lambda: nn.Sequential(FeedForward(6), FeedForward(6)))
    write(export(block, IMAGE), tmp_path / "p.mlpackage")
    expected = block(IMAGE).numpy()
    usual, half = (Evaluator(tmp_path / "p.mlpackage", half_sums=each)(IMAGE.numpy()) for each in BOTH)
    assert 40 < sqnr_db(expected, half) < sqnr_db(expected, usual) - 1


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.FP16])
@torch.no_grad()
def test_sums_of_codes_stay_exact(precision: Precision, tmp_path: Path) -> None:
    """Those of integers are integers in every hardware."""
    layer = seeded(lambda: nn.Sequential(nn.Conv2d(6, 8, 3), nn.Conv2d(8, 4, 1), Lambda(lambda x: x * 2)))
    program = export(layer, IMAGE)
    if precision is Precision.INT8:
        program = quantize_program(program, plan(program, IMAGE))
    write(program, tmp_path / "p.mlpackage", precision)
    usual, half = (Evaluator(tmp_path / "p.mlpackage", half_sums=each)(IMAGE.numpy()) for each in BOTH)
    assert bool((usual == half).all()) is (precision is Precision.INT8)
