"""Constants that repeat a few values lose nothing as indices, and take less room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.contract import Precision
from converters.coreml import package
from converters.coreml.evaluator import Evaluator
from converters.coreml.evaluator.constants import lut_to_dense
from converters.coreml.palettes import repeated_values
from tests.converters.coreml.coreml_programs import Lambda, export, write
from tests.converters.coreml.int8_packages import of_kind


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    different=st.integers(1, 300),
    seed=st.integers(0, 2**16),
)
def test_nothing_is_lost(shape: list[int], different: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    constant = random.choice(random.standard_normal(different).astype(np.float16), shape)
    found = repeated_values(constant)
    if found is None:
        return
    indices, table, bits = found
    np.testing.assert_array_equal(lut_to_dense(indices=indices, lut=table), constant)
    assert table.shape == (*[1] * len(shape), 2**bits, 1)
    assert indices.max() < 2**bits
    assert indices.size * bits / 8 + table.nbytes < constant.nbytes


def test_a_position_bias_is_worth_it_and_a_small_or_a_varied_constant_is_not() -> None:
    offsets = np.abs(np.arange(7)[:, None] - np.arange(7))  # of rows, or of columns
    bias = (offsets[:, None, :, None] * 7 + offsets[None, :, None, :]).reshape(1, 49, 49).astype(np.float16)
    found = repeated_values(bias)
    assert found is not None
    assert found[2] == 6
    assert repeated_values(bias[:, :8, :8]) is None
    assert repeated_values(np.arange(2401, dtype=np.float16).reshape(1, 49, 49)) is None


@pytest.mark.parametrize(("precision", "tables"), [(Precision.INT8, 1), (Precision.FP16, 0)])
@torch.no_grad()
def test_compressed_programs_store_them_so(precision: Precision, tables: int, tmp_path: Path) -> None:
    bias = torch.arange(49.0).repeat(49).view(1, 1, 49, 49)
    image = torch.randn(1, 1, 49, 49, generator=torch.Generator().manual_seed(1))
    module = Lambda(lambda x, bias: x + bias, bias)
    program = export(module, image)
    write(program, tmp_path / "p.mlpackage", precision)
    found = of_kind(package.load_function(tmp_path / "p.mlpackage").operations, "constexpr_lut_to_dense")
    assert len(found) == tables
    half = (image.half() + bias.half()).float().numpy()
    np.testing.assert_array_equal(Evaluator(tmp_path / "p.mlpackage")(image.numpy()), half)
