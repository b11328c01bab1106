"""Operators are called the same on every runtime, as a person calls them."""

from __future__ import annotations

import pytest

from converters.xnnpack_names import MEANINGS, align
from evit_mobile.report.operator_words import TABLE_LOOKUP, WORDS, operator_words


@pytest.mark.parametrize(
    ("operator", "kind", "words"),
    [
        ("Convolution (NHWC, QC8) IGEMM", "CONV_2D", "convolution"),
        ("Convolution (NHWC, F32) DWConv", "DepthwiseConv2d", "depthwise convolution"),
        ("Fully Connected (NC, F32) GEMM", "Conv2d", "convolution"),
        (TABLE_LOOKUP, "HARD_SWISH", "hard swish, by table"),
        (TABLE_LOOKUP, None, "table lookup"),
        ("HARD_SWISH", "HARD_SWISH", "hard swish"),
        ("Static Reshape (NC)", None, "reshape"),
        ("Reduce Max (ND) Reduce", None, "largest value"),
        ("Transpose (ND, X8) Transpose", None, "transposition"),
        ("Copy (NC, X32)", "Concatenate4", "concatenation"),
        ("EvenSplit4", None, "split"),
        ("SOMETHING_NEW", None, "SOMETHING_NEW"),
    ],
)
def test_words(operator: str, kind: str | None, words: str) -> None:
    assert operator_words(operator, kind) == words


def test_whatever_a_profile_can_be_matched_with_has_words() -> None:
    kinds = {kind for kinds in MEANINGS.values() for kind in kinds}
    assert {operator_words(name, None) for name in kinds | MEANINGS.keys()} <= WORDS.keys()


def test_a_name_has_one_word() -> None:
    names = [name for names in WORDS.values() for name in names]
    assert len(names) == len(set(names))


def test_a_table_is_matched_with_the_function_in_the_file() -> None:
    kinds = ["CONV_2D", "DEQUANTIZE", "HARD_SWISH", "QUANTIZE", "CONV_2D"]
    names = ["Convolution (NHWC, QC8) IGEMM", TABLE_LOOKUP, "Convolution (NHWC, QC8) IGEMM"]
    assert align(names, kinds) == [0, 2, 4]
