"""Aligning a profile's operators with those of the file."""

from __future__ import annotations

import pytest

from converters.xnnpack_names import align

CONVOLUTION = "Convolution (NHWC, F32) IGEMM"


@pytest.mark.parametrize(
    ("names", "kinds", "expected"),
    [
        ([CONVOLUTION, "Add (ND)"], ["PAD", "CONV_2D", "ADD"], [1, 2]),
        (["Invalid Unary Op", CONVOLUTION], ["ADD", "CONV_2D"], [None, 1]),
        (["CONV_2D", "Softmax (NC, F32)"], ["CONV_2D", "SOFTMAX"], [0, 1]),
        (["Add (ND)", "Add (ND)"], ["ADD", "MUL"], [0, None]),
        ([], ["ADD"], []),
        (["Add (ND)"], [], [None]),
    ],
    ids=["fused pad", "operator of its own", "not delegated", "more than in the file", "no profile", "no file"],
)
def test_alignment(names: list[str], kinds: list[str], expected: list[int | None]) -> None:
    assert align(names, kinds) == expected


def test_operators_that_look_alike_keep_their_order() -> None:
    names = [CONVOLUTION, "Fully Connected (NC, F32) GEMM", CONVOLUTION, "Clamp (NC)"]
    kinds = ["PAD", "CONV_2D", "CONV_2D", "PAD", "DEPTHWISE_CONV_2D", "RELU"]
    assert align(names, kinds) == [1, 2, 4, 5]
