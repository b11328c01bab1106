"""Compressed weights: decompressed as coremltools' own value inference does it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from converters.coreml.evaluator.constants import (
    affine_dequantize,
    blockwise_shift_scale,
    lut_to_dense,
    sparse_to_dense,
)
from tests.converters.coreml.evaluator.mil_inference import SEEDS, draw, few, inferred, sub_byte


@few
@given(st.integers(1, 4), st.integers(1, 4), SEEDS, st.sampled_from((np.float16, np.float32)))
def test_weight_decompression(rows: int, columns: int, seed: int, dtype: type) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(-128, 128, (2 * rows, 3 * columns)).astype(np.int8)
    scale = generator.uniform(1e-3, 0.1, 2 * rows).astype(dtype)
    zero = generator.integers(-5, 6, 2 * rows).astype(np.int8)
    affine = {"quantized_data": codes, "zero_point": zero, "scale": scale, "axis": np.int32(0)}
    expected = inferred("constexpr_affine_dequantize", ios=17, **affine)
    np.testing.assert_array_equal(affine_dequantize(**affine), expected)
    blocks = {"data": codes, "scale": generator.uniform(1e-3, 0.1, (2, columns)).astype(dtype)}
    expected = inferred("constexpr_blockwise_shift_scale", **blocks)
    np.testing.assert_array_equal(blockwise_shift_scale(**blocks), expected)
    shifted = {**blocks, "offset": generator.integers(-5, 6, (2, columns)).astype(np.int8)}
    expected = inferred("constexpr_blockwise_shift_scale", **shifted)
    np.testing.assert_array_equal(blockwise_shift_scale(**shifted), expected)


@few
@given(seed=SEEDS, bits=st.sampled_from([1, 2, 3, 4, 6, 8]), groups=st.sampled_from([(1, 1), (2, 1), (1, 3), (6, 3)]))
def test_lookup_tables(seed: int, bits: int, groups: tuple[int, int]) -> None:
    codes = np.random.default_rng(seed).integers(0, 2**bits, (6, 3))
    lut = draw((*groups, 2**bits, 1), seed).astype(np.float16)
    typed = codes.astype(sub_byte(f"uint{bits}"))
    expected = inferred("constexpr_lut_to_dense", indices=typed, lut=lut)
    np.testing.assert_array_equal(lut_to_dense(indices=typed, lut=lut), expected)


@few
@given(seed=SEEDS, axis=st.integers(-2, 1))
def test_lookup_tables_of_vectors(seed: int, axis: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 4, (6, 3)).astype(sub_byte("uint2"))
    lut = draw((2, 1, 4, 3), seed)
    expected = inferred("constexpr_lut_to_dense", indices=codes, lut=lut, vector_axis=np.int32(axis))
    np.testing.assert_array_equal(lut_to_dense(indices=codes, lut=lut, vector_axis=axis), expected)


@few
@given(seed=SEEDS, bits=st.sampled_from([1, 2, 4, 6, 8]))
def test_packed_lookup_table_of_ios16(seed: int, bits: int) -> None:
    shape = (5, 3)
    indices = np.random.default_rng(seed).integers(0, 256, -(-bits * 15 // 8)).astype(np.uint8)
    inputs = {"indices": indices, "lut": draw((2**bits,), seed), "shape": np.array(shape, np.uint32)}
    np.testing.assert_array_equal(lut_to_dense(**inputs), inferred("constexpr_lut_to_dense", ios=16, **inputs))


@few
@given(seed=SEEDS, shape=st.sampled_from([(4,), (3, 5), (2, 3, 1, 2)]))
def test_sparse_weights(seed: int, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(seed).integers(0, 2, shape)
    data = draw((int(mask.sum()),), seed)
    typed = mask.astype(sub_byte("uint1"))
    expected = inferred("constexpr_sparse_to_dense", nonzero_data=data, mask=typed)
    np.testing.assert_array_equal(sparse_to_dense(nonzero_data=data, mask=typed), expected)
    packed = np.packbits(mask.flatten().astype(np.uint8), bitorder="little")
    inputs = {"nonzero_data": data, "mask": packed, "shape": np.array(shape, np.uint32)}
    np.testing.assert_array_equal(sparse_to_dense(**inputs), inferred("constexpr_sparse_to_dense", ios=16, **inputs))
