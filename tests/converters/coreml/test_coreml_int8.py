"""W8A8: the quantize/dequantize graph lowered, and equal to PyTorch's within one code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.coreml import package
from converters.coreml.evaluator import Evaluator
from converters.coreml.lower import COMPUTE
from converters.coreml.options import OptionError
from tests.converters.coreml.coreml_programs import FeedForward, Head, LinearAttention, Windows, seeded, write
from tests.converters.coreml.int8_packages import X, quantized

FP16_NOISE = 2**-9


def operations(path: Path) -> Counter[str]:
    return Counter(op.op_type for op in package.load_function(path).operations)


def convolutions() -> nn.Module:
    wide = (nn.Conv2d(6, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1, groups=12))
    return nn.Sequential(*wide, nn.Conv2d(12, 5, 1))


BLOCKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "convolutions": (convolutions, 1),
    "windows": (lambda: Windows(6), 1),
    "feed-forward": (lambda: FeedForward(6), 2),  # the residual adds what its first sum was off by
}
"""Blocks, and the codes that float16 arithmetic between int8 tensors may move their outputs by."""


@pytest.mark.usefixtures("every_code")
@pytest.mark.parametrize("arithmetic", [np.float16, np.float32])
@pytest.mark.parametrize("minimum_ios", [17, 18])
@pytest.mark.parametrize("name", BLOCKS)
@torch.no_grad()
def test_int8_output_equals_the_pytorch_graph(
    name: str,
    minimum_ios: int,
    arithmetic: type[np.floating[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exactly with float32 between the int8 tensors, which we never ship; up to a code with float16."""
    monkeypatch.setitem(COMPUTE, Precision.INT8, arithmetic)
    build, codes = BLOCKS[name]
    program, scale = quantized(seeded(build))
    expected = program.module(check_guards=False)(X).numpy()
    write(program, tmp_path / "p.mlpackage", Precision.INT8, minimum_ios=minimum_ios)
    actual = Evaluator(tmp_path / "p.mlpackage")(X.numpy())
    difference = np.abs(np.round(actual / scale) - np.round(expected / scale))
    assert difference.max() <= (codes if arithmetic is np.float16 else 0)
    assert np.unique(expected).size > 30


@pytest.mark.usefixtures("every_code")
@torch.no_grad()
def test_float_regions_between_int8_ones(tmp_path: Path) -> None:
    module = seeded(lambda: nn.Sequential(LinearAttention(2, 3), Head(6)))
    program, scale = quantized(module)
    expected = program.module(check_guards=False)(X).numpy()
    write(program, tmp_path / "p.mlpackage", Precision.INT8)
    actual = Evaluator(tmp_path / "p.mlpackage")(X.numpy())
    assert np.abs(actual - expected).max() <= 2 * scale + FP16_NOISE * np.abs(expected).max()


@pytest.mark.parametrize(
    ("minimum_ios", "kind"), [(17, "constexpr_affine_dequantize"), (18, "constexpr_blockwise_shift_scale")]
)
def test_weights_stay_int8_in_the_file(minimum_ios: int, kind: str, tmp_path: Path) -> None:
    first = (nn.Conv2d(6, 64, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1))
    wide = nn.Sequential(*first, nn.Flatten(), nn.Linear(1600, 9))  # the input and two results are read by layers
    program, _ = quantized(wide)
    write(program, tmp_path / "p.mlpackage", Precision.INT8, minimum_ios=minimum_ios)
    counts = operations(tmp_path / "p.mlpackage")
    assert counts[kind] == 3
    assert counts["quantize"] == 3
    parameters = sum(layer.weight.numel() for layer in wide if hasattr(layer, "weight"))
    stored = (tmp_path / "p.mlpackage" / "Data" / package.WEIGHTS / "weight.bin").stat().st_size
    assert parameters < stored < 1.2 * parameters
    specification = package.read(tmp_path / "p.mlpackage").specification
    assert specification.specificationVersion == {17: 8, 18: 9}[minimum_ios]


def test_int8_needs_ios17(tmp_path: Path) -> None:
    program, _ = quantized(convolutions())
    with pytest.raises(OptionError, match="iOS 17, 18"):
        write(program, tmp_path / "p.mlpackage", Precision.INT8, minimum_ios=16)
    assert not list(tmp_path.iterdir())
