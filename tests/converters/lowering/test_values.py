"""What a node stands for: an activation with its numbers, or a constant as NumPy takes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.lowering.values import Constant, Quantization
from tests.converters.lowering.numpy_runtime import value_of


def test_a_tensor_has_one_scale_and_channels_have_none_for_all() -> None:
    assert Quantization(scales=(0.25,)).scale == 0.25
    for scales in ((0.25, 0.5), ()):
        with pytest.raises(ValueError, match="unpack"):
            _ = Quantization(scales=scales).scale


def test_quantizations_are_equal_by_all_their_numbers() -> None:
    usual = Quantization(scales=(0.25,))
    assert usual == Quantization(scales=(0.25,), zero_point=0, axis=0, bits=8)
    assert len({usual, *(Quantization(scales=(0.25,), **{name: 1}) for name in ("zero_point", "axis", "bits"))}) == 4


def test_a_value_has_the_numbers_of_its_tensor() -> None:
    codes = Quantization(scales=(0.5,), zero_point=1)
    assert value_of(torch.ones(2), quantization=codes).quantization == codes
    assert value_of(torch.ones(2)).quantization is None


@pytest.mark.parametrize(
    "tensor",
    [torch.arange(6.0).view(2, 3).t(), torch.arange(6).view(3, 2).to(torch.float16), torch.tensor(3)],
    ids=["transposed", "half", "number"],
)
def test_a_constant_is_a_contiguous_float32_array(tensor: torch.Tensor) -> None:
    constant = Constant(tensor)
    assert constant.shape == tuple(tensor.shape)
    assert (constant.array.dtype, constant.array.shape) == (np.float32, constant.shape)
    assert constant.array.flags.c_contiguous
    assert constant.array.tolist() == tensor.tolist()
